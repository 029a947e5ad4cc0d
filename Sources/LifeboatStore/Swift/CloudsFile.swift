internal import LifeboatCore

/// The clouds of `clouds.yaml`, with the secrets of `secure.yaml` and the vendors of
/// `clouds-public.yaml`, found where OpenStack's own programs look.
struct CloudsFile: Sendable {
    /// Reads a file; `nil` where there is none.
    typealias Reader = (String) throws(LifeboatError) -> [UInt8]?

    /// The file with the clouds.
    let path: String
    private let clouds: [String: ConfigurationTree]
    private let vendors: [String: ConfigurationTree]

    /// Finds and reads them; `nil` where nobody wrote any.
    init?(
        _ environment: [String: String], home: String, read: Reader
    ) throws(LifeboatError) {
        let main = try Self.find(
            "clouds", environment["OS_CLIENT_CONFIG_FILE"], environment, home, read)
        let secure = try Self.find(
            "secure", environment["OS_CLIENT_SECURE_FILE"], environment, home, read)
        let vendor = try Self.find("clouds-public", nil, environment, home, read)
        guard let found = main ?? secure else { return nil }
        path = found.path
        let all = (main?.tree ?? .nothing).merged(with: secure?.tree ?? .nothing)
        clouds = all["clouds"]?.table ?? [:]
        vendors = vendor?.tree["public_clouds"]?.table ?? [:]
    }

    /// The names of the clouds, sorted.
    var names: [String] { clouds.keys.sorted() }

    /// The settings of a cloud, in a region if it has several and one is asked for.
    func settings(_ name: String, region: String?) throws(LifeboatError) -> CloudSettings {
        guard var cloud = clouds[name] else {
            let known = names.joined(separator: ", ")
            throw LifeboatError(
                .usage, "\(path) has no cloud \(name)", subject: name,
                advice: names.isEmpty ? "add it there" : "it has \(known)")
        }
        if let profile = (cloud["profile"] ?? cloud["cloud"])?.text, let vendor = vendors[profile] {
            cloud = vendor.merged(with: cloud)
        }
        let wanted = region ?? cloud["region_name"]?.text
        // A region is a name, or a table of a name and settings that hold there only.
        let regions = cloud["regions"]?.list ?? []
        let entry = regions.first { ($0.text ?? $0["name"]?.text) == wanted } ?? regions.first
        if let values = entry?["values"] { cloud = cloud.merged(with: values) }
        var flat: [String: String] = [:]
        // What belongs under `auth` may also stand beside it.
        for part in [cloud.table, cloud["auth"]?.table ?? [:]] {
            for (name, value) in part {
                guard let text = value.text else { continue }
                // Either is usual, and OpenStack's own programs do not tell them apart.
                flat[String(name.map { $0 == "-" ? "_" : $0 })] = text
            }
        }
        flat["region_name"] = wanted ?? entry?.text ?? entry?["name"]?.text
        return CloudSettings(source: "cloud \(name) of \(path)", flat)
    }

    private static func find(
        _ stem: String, _ first: String?, _ environment: [String: String], _ home: String,
        _ read: Reader
    ) throws(LifeboatError) -> (path: String, tree: ConfigurationTree)? {
        let own = environment["XDG_CONFIG_HOME"].flatMap { $0.isEmpty ? nil : "\($0)/openstack" }
        let folders = [".", own, "\(home)/.config/openstack", "/etc/openstack"].compactMap(\.self)
        var paths = folders.flatMap { folder in
            ["yaml", "yml", "json"].map { "\(folder)/\(stem).\($0)" }
        }
        if let first, !first.isEmpty { paths.insert(first, at: 0) }
        for path in paths {
            guard let bytes = try read(path) else { continue }
            return (path, try parse(bytes, path))
        }
        return nil
    }

    private static func parse(
        _ bytes: [UInt8], _ path: String
    ) throws(LifeboatError) -> ConfigurationTree {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw LifeboatError(.usage, "\(path) is not in UTF-8", subject: path)
        }
        do throws(ConfigurationFault) { return try ConfigurationTree(parsing: text) } catch {
            let line = error.line.map { " in line \($0)" } ?? ""
            throw LifeboatError(
                .usage, "\(path) cannot be read\(line)", subject: path, cause: error.reason)
        }
    }
}
