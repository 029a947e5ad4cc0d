internal import LifeboatCore

/// Who uses an object store, and where its tokens come from.
///
/// Never printed with its secrets.
public struct SwiftCredentials: Sendable, Hashable {
    /// The ways to get a token.
    enum Identity: Sendable, Hashable {
        /// From Keystone, version 3.
        case keystone(KeystoneIdentity)
        /// From Swift's own authentication: TempAuth, or Ceph's gateway.
        case legacy(user: String, key: SecretText)
        /// Somebody else got it; it cannot be renewed.
        case token(SecretText)
    }

    let identity: Identity
    /// Where tokens come from; empty where one is given.
    let authURL: String
    /// Where the account is, instead of what the identity service says.
    let storageURL: String?
    /// The region, where the cloud has several.
    public let region: String?
    /// The kind of address to use: `public`, `internal` or `admin`.
    let interface: String
    /// A file of certificates to trust instead of the system's.
    public let caFile: String?
    /// Where they come from, for messages.
    public let source: String

    /// Takes them from settings; `.usage` tells what is missing.
    init(_ settings: CloudSettings, region: String? = nil) throws(LifeboatError) {
        source = settings.source
        self.region = region ?? settings["region_name"]
        caFile = settings["cacert"]
        storageURL = settings["storage_url", "object_store_endpoint_override"]
        interface = Self.interface(settings["interface", "endpoint_type"] ?? "public")
        try Self.checkVerifying(settings)
        if let token = settings.secret("auth_token"), storageURL != nil {
            identity = .token(token)
            authURL = ""
            return
        }
        let url = try Self.address(settings)
        let isVersion1 = ["/v1.0", "/auth/1.0", "/v1"].contains { url.hasSuffix($0) }
        switch settings["auth_type"] ?? (isVersion1 ? "v1password" : "password") {
        case "v1password", "v1":
            authURL = url
            identity = .legacy(
                user: try Self.required(settings["username"], "username", "ST_USER", settings),
                key: try Self.required(settings.secret("password"), "password", "ST_KEY", settings))
        case "password", "v3password", "v3applicationcredential":
            authURL = KeystoneIdentity.address(url)
            identity = .keystone(try KeystoneIdentity(settings))
        case let type:
            throw LifeboatError(
                .unsupported, "\(settings.source) wants authentication by \(type)",
                subject: settings.source,
                advice: "use password, v3applicationcredential or v1password")
        }
    }

    /// Who it is and where, without secrets: others may be allowed other things.
    var account: String {
        let who =
            switch identity {
            case .keystone(let identity): identity.text
            case .legacy(let user, _): "user \(user)"
            case .token: "token"
            }
        return "\(who) \(authURL) \(storageURL ?? "") \(region ?? "")"
    }

    /// A setting that has to be there.
    static func required<Value>(
        _ value: Value?, _ name: String, _ otherVariable: String? = nil, _ settings: CloudSettings
    ) throws(LifeboatError) -> Value {
        if let value { return value }
        let variable = "OS_\(name.uppercased())" + (otherVariable.map { " or \($0)" } ?? "")
        throw LifeboatError(
            .usage, "\(settings.source) has no \(name)", subject: settings.source,
            advice: "set \(variable), or \(name) in clouds.yaml")
    }

    private static func address(_ settings: CloudSettings) throws(LifeboatError) -> String {
        let url = try required(settings["auth_url"], "auth_url", "ST_AUTH", settings)
        guard url.hasPrefix("https://") || url.hasPrefix("http://") else {
            throw LifeboatError(
                .usage, "\(url) is no address of an identity service", subject: url,
                advice: "it begins with https:// or http://")
        }
        return url.hasSuffix("/") ? String(url.dropLast()) : url
    }

    private static func checkVerifying(_ settings: CloudSettings) throws(LifeboatError) {
        guard let text = settings["verify"]?.lowercased(),
            ["false", "no", "off", "0"].contains(text)
        else { return }
        throw LifeboatError(
            .refused, "\(settings.source) says not to verify certificates",
            subject: settings.source,
            advice: "remove verify and name the certificates to trust with cacert")
    }

    /// `publicURL`, as version 2 had it, is `public`.
    private static func interface(_ text: String) -> String {
        text.hasSuffix("URL") ? String(text.dropLast(3)) : text
    }
}
