import LifeboatCore
import LifeboatFormat
import LifeboatSystem

/// The id of a running session and the names of the packs that it has stored, in the state
/// directory.
///
/// A session that dies leaves its journal; the next one takes over the packs, so that little is
/// sent again. The journal is locked while its session lives.
final class SessionJournal: @unchecked Sendable {
    private let file: File
    let path: String
    let session: Identifier

    private static let ending = ".journal"

    /// Begins a new journal, of a new session.
    init(_ directories: LocalDirectories) throws(LifeboatError) {
        session = Identifier.random()
        path = directories.sessions + "/" + session.hex + Self.ending
        // It is locked before it bears its name, so that no other session takes it for abandoned.
        let new = path + LocalDirectories.unfinishedMark
        file = try File(path: new, access: .createNew)
        _ = try file.lock(exclusive: true, wait: true)
        try Files.rename(from: new, to: path)
    }

    private init(file: File, path: String, session: Identifier) {
        self.file = file
        self.path = path
        self.session = session
    }

    private static func journals(
        _ directories: LocalDirectories
    ) throws(LifeboatError) -> [(path: String, session: Identifier)] {
        try Files.list(directories.sessions).compactMap { name in
            guard name.hasSuffix(ending), let id = Identifier(hex: name.dropLast(ending.count))
            else { return nil }
            return (directories.sessions + "/" + name, id)
        }
    }

    /// All sessions of this state directory that have a journal.
    static func all(_ directories: LocalDirectories) throws(LifeboatError) -> Set<Identifier> {
        Set(try journals(directories).map(\.session))
    }

    /// Takes over the journals that dead sessions left.
    static func abandoned(
        _ directories: LocalDirectories
    ) throws(LifeboatError) -> [(journal: SessionJournal, packs: [Digest])] {
        var result: [(journal: SessionJournal, packs: [Digest])] = []
        for (path, session) in try journals(directories) {
            guard let file = try? File(path: path, access: .readWrite),
                try file.lock(exclusive: true, wait: false)
            else { continue }
            let bytes: [UInt8]
            do throws(LifeboatError) {
                bytes = try Files.readWhole(path, limit: 64 << 20)
            } catch {
                // Its session ended well, and removed it, just before the lock was had.
                guard error.code == .missing else { throw error }
                continue
            }
            let packs = bytes.withUnsafeBytes { raw in
                // A name that was cut off by a crash is dropped.
                (0..<raw.count / 32).map { Digest(loading: raw, at: 32 * $0) }
            }
            result.append((SessionJournal(file: file, path: path, session: session), packs))
        }
        return result
    }

    /// Remembers packs that are durable, or that may be put while this session lasts.
    func note(_ packs: [Digest]) throws(LifeboatError) {
        guard !packs.isEmpty else { return }
        let bytes = packs.flatMap(\.bytes)
        try bytes.withBytes { raw throws(LifeboatError) in try file.append(raw) }
        try file.sync()
        try Files.syncDirectory(Files.parent(of: path))
    }

    /// Whether no pack was noted.
    var isEmpty: Bool { (try? file.size()) == 0 }

    /// Remembers nothing any more.
    func clear() throws(LifeboatError) { try file.truncate(to: 0) }

    /// Remembers a pack that is durable.
    func add(_ pack: Digest) throws(LifeboatError) {
        let bytes = pack.bytes
        try bytes.withBytes { raw throws(LifeboatError) in try file.append(raw) }
    }

    /// Lets another session take over what this one leaves.
    func release() { file.unlock() }

    func remove() throws(LifeboatError) { try Files.remove(path) }
}
