import Foundation
import LifeboatCore

/// The environment variables and the user, as a value that tests can make up.
struct Environment: Sendable {
    var variables: [String: String]
    var isRoot: Bool

    /// This process's own.
    static var current: Environment {
        Environment(variables: ProcessInfo.processInfo.environment, isRoot: geteuid() == 0)
    }

    /// The value of a variable; `nil` when unset or empty.
    subscript(_ name: String) -> String? {
        guard let value = variables[name], !value.isEmpty else { return nil }
        return value
    }

    /// What credentials, certificates and deadlines for object stores are found by.
    var forStores: [String: String] {
        variables.filter { name, _ in
            name == "HOME" || name == "XDG_CONFIG_HOME" || Self.deadlines.contains(name)
                || ["AWS_", "OS_", "ST_"].contains(where: name.hasPrefix)
        }
    }

    private static let deadlines: Set<String> = [
        EnvironmentVariable.connectTimeout.rawValue, EnvironmentVariable.stallTimeout.rawValue,
        EnvironmentVariable.requestTimeout.rawValue, EnvironmentVariable.attempts.rawValue,
    ]

    /// Where heads, session journals and fingerprints are kept.
    func stateDirectory(option: String?) throws(LifeboatError) -> String {
        try directory(
            option: option, variable: "LIFEBOAT_STATE_DIR", root: "/var/lib/lifeboat",
            base: "XDG_STATE_HOME", home: ".local/state", flag: "--state-dir")
    }

    /// Where index runs and log entries are kept.
    func cacheDirectory(option: String?) throws(LifeboatError) -> String {
        try directory(
            option: option, variable: "LIFEBOAT_CACHE_DIR", root: "/var/cache/lifeboat",
            base: "XDG_CACHE_HOME", home: ".cache", flag: "--cache-dir")
    }

    /// For sockets and what else lives as long as a process; paths of sockets must be short.
    var runDirectory: String {
        if isRoot { return "/run/lifeboat" }
        if let value = self["XDG_RUNTIME_DIR"], value.hasPrefix("/") { return value + "/lifeboat" }
        return "/tmp/lifeboat-\(getuid())"
    }

    /// For files that grow with what guests write while they are backed up.
    ///
    /// Hypervisors of the system run under a user of their own, who must get there.
    func scratchDirectory(option: String?) throws(LifeboatError) -> String {
        isRoot
            ? "/var/lib/lifeboat-scratch" : try stateDirectory(option: option) + "/scratch"
    }

    /// Where this host's links may be described, and whether that must exist.
    func linkFiles(option: String?) -> (paths: [String], isNeeded: Bool) {
        if let given = option.flatMap({ $0.isEmpty ? nil : $0 }) ?? self["LIFEBOAT_LINKS"] {
            return ([given], true)
        }
        var folders = ["/etc"]
        if !isRoot {
            if let value = self["XDG_CONFIG_HOME"], value.hasPrefix("/") {
                folders.insert(value, at: 0)
            } else if let value = self["HOME"], value.hasPrefix("/") {
                folders.insert(value + "/.config", at: 0)
            }
        }
        return (folders.map { $0 + "/lifeboat/links.yaml" }, false)
    }

    /// After how many seconds a virtual machine of libguestfs that does not start is started again.
    ///
    /// - Throws: `.usage` for what is no such number.
    func applianceSeconds() throws(LifeboatError) -> Double? {
        let variable = EnvironmentVariable.applianceTimeout.rawValue
        guard let text = self[variable] else { return nil }
        guard let seconds = Int(text), (1...86_400).contains(seconds) else {
            throw LifeboatError(
                .usage, "\(variable) is not a number from 1 to 86400", subject: variable,
                advice: "set it to seconds, or unset it")
        }
        return Double(seconds)
    }

    private func directory(
        option: String?, variable: String, root: String, base: String, home: String, flag: String
    ) throws(LifeboatError) -> String {
        if let option, !option.isEmpty { return option }
        if let value = self[variable] { return value }
        if isRoot { return root }
        // The XDG specification says that relative paths are invalid and to be ignored.
        if let value = self[base], value.hasPrefix("/") { return value + "/lifeboat" }
        if let value = self["HOME"], value.hasPrefix("/") { return "\(value)/\(home)/lifeboat" }
        throw LifeboatError(
            .usage, "no place to remember things: HOME is not set",
            advice: "give \(flag) or \(variable)")
    }
}

/// The environment variables that Lifeboat reads, for help and manual.
enum EnvironmentVariable: String, CaseIterable {
    case repository = "LIFEBOAT_REPO"
    case passwordFile = "LIFEBOAT_PASSWORD_FILE"
    case keyFile = "LIFEBOAT_KEY_FILE"
    case stateDirectory = "LIFEBOAT_STATE_DIR"
    case cacheDirectory = "LIFEBOAT_CACHE_DIR"
    case links = "LIFEBOAT_LINKS"
    case plugin = "LIFEBOAT_NBDKIT_PLUGIN"
    case allowCore = "LIFEBOAT_ALLOW_CORE"
    case connectTimeout = "LIFEBOAT_CONNECT_TIMEOUT"
    case stallTimeout = "LIFEBOAT_STALL_TIMEOUT"
    case requestTimeout = "LIFEBOAT_REQUEST_TIMEOUT"
    case attempts = "LIFEBOAT_RETRIES"
    case applianceTimeout = "LIFEBOAT_APPLIANCE_TIMEOUT"
    case accessKey = "AWS_ACCESS_KEY_ID"
    case secretKey = "AWS_SECRET_ACCESS_KEY"
    case sessionToken = "AWS_SESSION_TOKEN"
    case profile = "AWS_PROFILE"
    case region = "AWS_REGION"
    case certificates = "AWS_CA_BUNDLE"
    case cloud = "OS_CLOUD"
    case identityService = "OS_AUTH_URL"
    case cloudCertificates = "OS_CACERT"
    case swiftAuthentication = "ST_AUTH"

    var meaning: String {
        switch self {
        case .repository: "the repository, where --repo is not given"
        case .passwordFile: "a file whose first line is the password, where no secret is given"
        case .keyFile: "a key file, where neither a secret nor a password file is given"
        case .stateDirectory: "where this host remembers heads and unfinished work"
        case .cacheDirectory: "where this host caches what it can fetch again"
        case .links: "the file that describes this host's links to stores"
        case .plugin: "the file that makes nbdkit serve points, where it is not beside the program"
        case .allowCore: "set to 1, lets a crash leave a core file, which may hold secrets"
        case .connectTimeout: "seconds that connecting to a store may take; else 15"
        case .stallTimeout: "seconds without a byte after which a request has failed; else 30"
        case .requestTimeout: "seconds that a request may take besides its bytes; else 60"
        case .attempts: "how often a request to a store is tried; else 8"
        case .applianceTimeout:
            "seconds after which files starts libguestfs again without KVM; else 120"
        case .accessKey: "the access key for a repository in an S3 bucket"
        case .secretKey: "its secret"
        case .sessionToken: "the token of temporary credentials"
        case .profile: "the profile of ~/.aws to use where no access key is set"
        case .region: "the region of the bucket"
        case .certificates: "a file with certificates of authorities to trust"
        case .cloud: "the cloud of clouds.yaml for a repository in an OpenStack Swift container"
        case .identityService:
            "Keystone, where no cloud is named; with the other OS_ variables of OpenStack"
        case .cloudCertificates: "a file with certificates of authorities to trust"
        case .swiftAuthentication: "Swift's own authentication; with ST_USER and ST_KEY"
        }
    }
}
