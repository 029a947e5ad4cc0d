import LifeboatCodec
public import LifeboatCore
import LifeboatSystem

/// What this host remembers of one replica of a repository, in a file of its state directory.
public struct ReplicaRecord: Hashable, Sendable {
    public var name: String
    /// What opens its store.
    public var location: String
    /// The repository's root key as it was when the replica was added: what follows from it is
    /// trusted.
    public var rootKey: [UInt8]
    /// Which points go there; what is empty lets all pass.
    public var machines: [String] = []
    public var tags: [String: String] = [:]
    /// When it was last brought up to date, milliseconds since 1970; 0 for never.
    public var synced: UInt64 = 0
    /// The view that stood then.
    public var view: UInt64 = 0
    /// Whether it was told to go on without objects that the source had lost.
    public var isIncomplete = false

    public init(name: String, location: String, rootKey: [UInt8]) {
        self.name = name
        self.location = Self.canonical(location)
        self.rootKey = rootKey
    }

    /// Whether it takes only some of the points.
    public var isPartial: Bool { !machines.isEmpty || !tags.isEmpty }

    /// One name for a place: of a directory its absolute path.
    public static func canonical(_ location: String) -> String {
        if location.contains("://") { return location }
        return Files.realPath(location) ?? location
    }

    /// Whether a replica can be called this.
    public static func isName(_ name: String) -> Bool {
        let allowed = Set("abcdefghijklmnopqrstuvwxyz0123456789._-".utf8)
        return (1...64).contains(name.utf8.count) && name.utf8.allSatisfy(allowed.contains)
            && name.utf8.first != UInt8(ascii: ".")
    }

    // MARK: the file

    private static let title = "lifeboat replica 1"
    private static let file = "record"

    private static func path(_ directories: LocalDirectories, _ name: String) -> String {
        directories.replicas + "/" + name + "/" + file
    }

    /// All that this host knows of, by name.
    public static func all(
        _ directories: LocalDirectories
    ) throws(LifeboatError) -> [ReplicaRecord] {
        guard Files.isDirectory(directories.replicas) else { return [] }
        var records: [ReplicaRecord] = []
        for name in try Files.list(directories.replicas).sorted()
        where isName(name) && Files.exists(path(directories, name)) {
            records.append(try load(directories, name))
        }
        return records
    }

    private static func load(
        _ directories: LocalDirectories, _ name: String
    ) throws(LifeboatError) -> ReplicaRecord {
        let path = path(directories, name)
        let text = String(decoding: try Files.readWhole(path, limit: 1 << 20), as: UTF8.self)
        var fields: [(Substring, String)] = []
        for line in text.split(separator: "\n").dropFirst() {
            let parts = line.split(separator: " ", maxSplits: 1)
            guard parts.count == 2, let value = Hex.decode(parts[1]) else { continue }
            fields.append((parts[0], String(decoding: value, as: UTF8.self)))
        }
        func first(_ key: String) -> String? { fields.first { $0.0 == key }?.1 }
        guard text.hasPrefix(title + "\n"), let location = first("location"),
            let root = first("root").flatMap({ Hex.decode($0[...]) }), root.count == 32
        else {
            throw LifeboatError(
                .damaged, "the file in which this host remembers a replica is unreadable",
                subject: path, advice: "remove it, and add the replica again")
        }
        var record = ReplicaRecord(name: name, location: location, rootKey: root)
        record.location = location
        record.synced = first("synced").flatMap { UInt64($0) } ?? 0
        record.view = first("view").flatMap { UInt64($0) } ?? 0
        record.isIncomplete = first("incomplete") != nil
        record.machines = fields.filter { $0.0 == "machine" }.map(\.1)
        for (key, value) in fields where key == "tag" {
            let parts = value.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2 { record.tags[String(parts[0])] = String(parts[1]) }
        }
        return record
    }

    /// Keeps it, durably.
    public func save(_ directories: LocalDirectories) throws(LifeboatError) {
        var fields: [(String, String)] = [
            ("location", location), ("root", Hex.encode(rootKey)), ("synced", "\(synced)"),
            ("view", "\(view)"),
        ]
        if isIncomplete { fields.append(("incomplete", "yes")) }
        fields += machines.map { ("machine", $0) }
        fields += tags.sorted { $0.key < $1.key }.map { ("tag", "\($0.key)=\($0.value)") }
        var text = Self.title + "\n"
        // Values are in hexadecimal digits, whatever they hold.
        for (key, value) in fields { text += "\(key) \(Hex.encode(Array(value.utf8)))\n" }
        try Files.makeDirectories(directories.replicas + "/" + name)
        try Files.writeAtomically(Self.path(directories, name), Array(text.utf8))
    }

    /// Forgets it; the replica itself stays.
    public func remove(_ directories: LocalDirectories) throws(LifeboatError) {
        try Files.removeTree(directories.replicas + "/" + name)
    }

    /// Taken by who brings the replica up to date: one process of this host at a time.
    public func lock(_ directories: LocalDirectories) throws(LifeboatError) -> ReplicaLock {
        try ReplicaLock(directories.replicas + "/" + name + "/lock", name: name)
    }
}

/// Held while a replica is brought up to date.
public final class ReplicaLock {
    private let file: File

    fileprivate init(_ path: String, name: String) throws(LifeboatError) {
        do throws(LifeboatError) {
            file = try File(path: path, access: .createNew)
        } catch {
            guard error.code == .exists else { throw error }
            file = try File(path: path, access: .readWrite)
        }
        guard try file.lock(exclusive: true, wait: false) else {
            throw LifeboatError(
                .refused, "another process of this host is at work on the replica", subject: name)
        }
    }

    deinit { file.unlock() }
}
