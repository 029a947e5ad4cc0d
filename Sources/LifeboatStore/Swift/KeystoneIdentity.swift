internal import LifeboatCore

/// Who somebody is to Keystone, and for which project.
enum KeystoneIdentity: Sendable, Hashable {
    /// A user or a project: by an id, or by a name in a domain.
    enum Name: Sendable, Hashable {
        case id(String)
        case name(String, domain: Domain)
    }

    /// What names of users and projects are unique in.
    enum Domain: Sendable, Hashable {
        case id(String)
        case name(String)
    }

    /// An application credential: by an id, or by a name that its user gave it.
    enum Credential: Sendable, Hashable {
        case id(String)
        case name(String, user: Name)
    }

    case password(SecretText, user: Name, project: Name)
    /// It is bound to a project.
    case applicationCredential(Credential, secret: SecretText)

    /// Takes it from settings; `.usage` tells what is missing.
    init(_ settings: CloudSettings) throws(LifeboatError) {
        let type = settings["auth_type"]
        let hasCredential =
            settings["application_credential_id", "application_credential_name"] != nil
            && settings["application_credential_secret"] != nil
        if type == "v3applicationcredential" || type == nil && hasCredential {
            self = try Self.applicationCredential(settings)
            return
        }
        let user = try Self.user(settings)
        let project: Name
        if let id = settings["project_id", "tenant_id"] {
            project = .id(id)
        } else {
            // A token without a project has no catalog, so no object store.
            let name = try SwiftCredentials.required(
                settings["project_name", "tenant_name"], "project_name", nil, settings)
            project = .name(name, domain: Self.domain("project", settings))
        }
        let password = try SwiftCredentials.required(
            settings.secret("password"), "password", nil, settings)
        self = .password(password, user: user, project: project)
    }

    private static func applicationCredential(
        _ settings: CloudSettings
    ) throws(LifeboatError) -> KeystoneIdentity {
        let secret = try SwiftCredentials.required(
            settings.secret("application_credential_secret"), "application_credential_secret",
            nil, settings)
        if let id = settings["application_credential_id"] {
            return .applicationCredential(.id(id), secret: secret)
        }
        let name = try SwiftCredentials.required(
            settings["application_credential_name"], "application_credential_id", nil, settings)
        return .applicationCredential(.name(name, user: try user(settings)), secret: secret)
    }

    private static func user(_ settings: CloudSettings) throws(LifeboatError) -> Name {
        if let id = settings["user_id"] { return .id(id) }
        let name = try SwiftCredentials.required(settings["username"], "username", nil, settings)
        return .name(name, domain: domain("user", settings))
    }

    /// Clouds that have a single domain call it `default`, and their users leave it out.
    private static func domain(_ kind: String, _ settings: CloudSettings) -> Domain {
        if let id = settings["\(kind)_domain_id"] { return .id(id) }
        if let name = settings["\(kind)_domain_name"] { return .name(name) }
        if let name = settings["default_domain_name"] { return .name(name) }
        return .id(settings["default_domain_id", "default_domain"] ?? "default")
    }

    /// Keystone's version 3, at the address of the service or of one of its versions.
    static func address(_ url: String) -> String {
        if url.hasSuffix("/v3") { return url }
        return (url.hasSuffix("/v2.0") ? String(url.dropLast("/v2.0".count)) : url) + "/v3"
    }

    /// For messages: who it is, without secrets.
    var text: String {
        switch self {
        case .password(_, let user, let project): "user \(user.text) of project \(project.text)"
        case .applicationCredential(.id(let id), _): "application credential \(id)"
        case .applicationCredential(.name(let name, _), _): "application credential \(name)"
        }
    }
}

extension KeystoneIdentity.Name {
    /// The id or the name.
    var text: String {
        switch self {
        case .id(let id): id
        case .name(let name, _): name
        }
    }
}
