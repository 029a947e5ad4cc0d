public import LifeboatCore
internal import LifeboatSystem

/// Who uses an S3 store.
public struct S3Credentials: Sendable, Hashable {
    /// The name of the key, which is no secret.
    public let accessKey: String
    public let secretKey: SecretText
    /// Of temporary credentials.
    public let sessionToken: SecretText?

    public init(accessKey: String, secretKey: SecretText, sessionToken: SecretText? = nil) {
        self.accessKey = accessKey
        self.secretKey = secretKey
        self.sessionToken = sessionToken
    }
}

/// What S3 users set once for all programs: credentials, region and certificates.
///
/// In this order: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`; then the
/// profile `AWS_PROFILE`, or `default`, of `~/.aws/credentials` and of `~/.aws/config`, or of the
/// files that `AWS_SHARED_CREDENTIALS_FILE` and `AWS_CONFIG_FILE` name.
public struct S3Settings: Sendable {
    public let credentials: S3Credentials
    public let region: String?
    public let authorityFile: String?

    private static let fileLimit = 1 << 20

    /// Takes them from the variables of an environment, and reads files with `read`, which is `nil`
    /// for a file that is not there.
    /// - Throws: `.denied` when there are no credentials, or only such as take another program.
    public init(
        environment: [String: String],
        read: (String) throws(LifeboatError) -> [UInt8]? = Self.read
    ) throws(LifeboatError) {
        func variable(_ name: String) -> String? {
            environment[name].flatMap { $0.isEmpty ? nil : $0 }
        }
        let home = variable("HOME").map { $0 + "/.aws/" }
        let profile = variable("AWS_PROFILE") ?? variable("AWS_DEFAULT_PROFILE")
        let name = profile ?? "default"
        var values: [String: String] = [:]
        for (variableName, file, section) in [
            ("AWS_CONFIG_FILE", "config", name == "default" ? name : "profile " + name),
            ("AWS_SHARED_CREDENTIALS_FILE", "credentials", name),
        ] {
            guard let path = variable(variableName) ?? home.map({ $0 + file }),
                let bytes = try read(path)
            else { continue }
            let text = String(decoding: bytes, as: UTF8.self)
            values.merge(AWSConfigurationFile.section(section, of: text)) { $1 }
        }
        region = variable("AWS_REGION") ?? variable("AWS_DEFAULT_REGION") ?? values["region"]
        authorityFile = variable("AWS_CA_BUNDLE") ?? values["ca_bundle"]
        let given = (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"))
        if given.0 != nil || given.1 != nil {
            guard let accessKey = given.0, let secretKey = given.1 else {
                throw LifeboatError(
                    .denied, "only one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is set",
                    advice: "set both")
            }
            credentials = S3Credentials(
                accessKey: accessKey, secretKey: SecretText(secretKey),
                sessionToken: variable("AWS_SESSION_TOKEN").map { SecretText($0) })
            return
        }
        guard let accessKey = values["aws_access_key_id"],
            let secretKey = values["aws_secret_access_key"]
        else { throw Self.none(profile, values) }
        credentials = S3Credentials(
            accessKey: accessKey, secretKey: SecretText(secretKey),
            sessionToken: values["aws_session_token"].map { SecretText($0) })
    }

    private static func none(_ profile: String?, _ values: [String: String]) -> LifeboatError {
        let program = ["credential_process", "role_arn", "sso_session", "sso_start_url"]
            .first { values[$0] != nil }
        if let program {
            return LifeboatError(
                .denied,
                "the profile \(profile ?? "default") gets its credentials by \(program), which "
                    + "Lifeboat cannot",
                advice: "run: eval \"$(aws configure export-credentials --format env)\"")
        }
        return LifeboatError(
            .denied,
            profile.map { "the profile \($0) has no credentials for the store" }
                ?? "no credentials for the store",
            advice: "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE")
    }

    /// Reads a file of settings; `nil` if it is not there.
    public static func read(_ path: String) throws(LifeboatError) -> [UInt8]? {
        guard Files.exists(path) else { return nil }
        return try Files.readWhole(path, limit: fileLimit)
    }
}

/// The files `~/.aws/credentials` and `~/.aws/config`.
enum AWSConfigurationFile {
    /// The settings of one section; a later one of the same name wins.
    static func section(_ name: String, of text: String) -> [String: String] {
        var isWanted = false
        var values: [String: String] = [:]
        for line in text.split(whereSeparator: \.isNewline) {
            // What is indented belongs to a setting that has settings of its own.
            if line.hasPrefix("#") || line.hasPrefix(";") || line.first?.isWhitespace == true {
                continue
            }
            if line.hasPrefix("[") {
                let title = line.dropFirst().prefix { $0 != "]" }
                isWanted =
                    title.split(whereSeparator: \.isWhitespace).joined(separator: " ") == name
                continue
            }
            guard isWanted, let sign = line.firstIndex(of: "=") else { continue }
            values[trimmed(line[..<sign]).lowercased()] = trimmed(line[line.index(after: sign)...])
        }
        return values.filter { !$0.value.isEmpty }
    }

    private static func trimmed(_ text: Substring) -> String {
        var text = text.drop(while: \.isWhitespace)
        while text.last?.isWhitespace == true { text.removeLast() }
        return String(text)
    }
}
