internal import FoundationEssentials
internal import LifeboatCore
internal import LifeboatSystem

/// What this host remembers of what a store can do, in a small file.
///
/// Nothing depends on it: without it the store is asked again.
struct CapabilityCache: Sendable {
    struct Record: Codable, Equatable, Sendable {
        var version = CapabilityCache.version
        /// For people who look into the file.
        var location: String
        /// Milliseconds since 1970.
        var time: UInt64
        var capabilities: StoreCapabilities
    }

    /// Raised when a probe looks at more, or more closely.
    static let version = 1
    /// Stores are updated, and their buckets set up anew.
    static let lifetime: UInt64 = 7 * 86_400_000
    private static let limit = 1 << 16

    private let path: String
    private let location: String

    /// `user`: who asks; others may be allowed other things.
    init(directory: String, location: String, user: String) {
        self.location = location
        let name = SignatureHash.digest(Array("\(location)\n\(user)".utf8)).hex.prefix(32)
        path = "\(directory)/stores/\(name).json"
    }

    /// What was found out in the last days; `nil` if nothing was.
    func load() -> Record? {
        guard let bytes = try? Files.readWhole(path, limit: Self.limit),
            let record = try? JSONDecoder().decode(Record.self, from: Data(bytes)),
            record.version == Self.version, record.location == location
        else { return nil }
        let now = Clock.milliseconds()
        // A time to come is a clock that was set back.
        guard record.time <= now, now - record.time < Self.lifetime else { return nil }
        return record
    }

    func save(_ capabilities: StoreCapabilities, at time: UInt64) {
        let record = Record(location: location, time: time, capabilities: capabilities)
        guard let data = try? JSONEncoder().encode(record),
            (try? Files.makeDirectories(Files.parent(of: path))) != nil
        else { return }
        try? Files.writeAtomically(path, Array(data))
    }
}
