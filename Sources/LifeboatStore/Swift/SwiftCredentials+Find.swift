public import LifeboatCore
internal import LifeboatSystem

extension SwiftCredentials {
    /// Finds them as OpenStack's own programs do, in the environment and in `clouds.yaml`.
    ///
    /// - A cloud that the location or `OS_CLOUD` names is looked up in `clouds.yaml`.
    /// - Else variables count: `OS_*` before `ST_*`.
    /// - Without any of them, a `clouds.yaml` with a single cloud will do.
    public static func find(
        for location: SwiftLocation, _ environment: [String: String]
    ) throws(LifeboatError) -> SwiftCredentials {
        let home = environment["HOME"] ?? Files.homeDirectory
        return try find(for: location, environment, home: home) {
            path throws(LifeboatError) in
            guard Files.exists(path) else { return nil }
            return try Files.readWhole(path, limit: 4 << 20)
        }
    }

    /// As `find(for:_:)`, with files that the caller gives.
    static func find(
        for location: SwiftLocation, _ environment: [String: String], home: String,
        read: CloudsFile.Reader
    ) throws(LifeboatError) -> SwiftCredentials {
        let settings = try settings(for: location, environment, home: home, read: read)
        return try SwiftCredentials(settings.withHome(home), region: location.region)
    }

    private static func settings(
        for location: SwiftLocation, _ environment: [String: String], home: String,
        read: CloudsFile.Reader
    ) throws(LifeboatError) -> CloudSettings {
        let variables = CloudSettings(environment: environment)
        let named = environment["OS_CLOUD"].flatMap { $0.isEmpty ? nil : $0 }
        if let name = location.cloud ?? named {
            guard let file = try CloudsFile(environment, home: home, read: read) else {
                throw LifeboatError(
                    .usage, "there is no clouds.yaml with a cloud \(name)", subject: name,
                    advice: "write it to \(home)/.config/openstack/clouds.yaml")
            }
            // Who keeps passwords out of files has them in variables.
            return try file.settings(name, region: location.region).completed(
                ["password", "application_credential_secret", "cacert", "region_name"],
                from: variables)
        }
        if variables["auth_url"] != nil || variables["auth_token"] != nil { return variables }
        if environment["ST_AUTH"]?.isEmpty == false {
            return CloudSettings(legacyEnvironment: environment)
                .completed(["cacert", "storage_url"], from: variables)
        }
        if let file = try CloudsFile(environment, home: home, read: read) {
            if file.names.count == 1 {
                return try file.settings(file.names[0], region: location.region)
                    .completed(["cacert"], from: variables)
            }
            throw LifeboatError(
                .usage, "\(file.path) has several clouds", subject: location.description,
                advice: "name one with OS_CLOUD or ?cloud=: \(file.names.joined(separator: ", "))")
        }
        throw LifeboatError(
            .usage, "nothing says in which cloud container \(location.container) is",
            subject: location.description,
            advice: "set OS_CLOUD to a cloud of clouds.yaml, or OS_AUTH_URL and what belongs to it,"
                + " or ST_AUTH, ST_USER and ST_KEY")
    }
}
