import LifeboatCore
import LifeboatFormat
import LifeboatSystem

/// The names of the packs that a running session has stored, in the state directory.
///
/// A session that dies leaves its journal; the next one takes over the packs, so that little is
/// sent again. The journal is locked while its session lives.
final class SessionJournal: @unchecked Sendable {
    private let file: File
    let path: String

    /// Begins a new journal.
    init(_ directories: LocalDirectories) throws(LifeboatError) {
        path = directories.sessions + "/" + Identifier.random().hex + ".journal"
        // It is locked before it bears its name, so that no other session takes it for abandoned.
        let new = path + LocalDirectories.unfinishedMark
        file = try File(path: new, access: .createNew)
        _ = try file.lock(exclusive: true, wait: true)
        try Files.rename(from: new, to: path)
    }

    private init(file: File, path: String) {
        self.file = file
        self.path = path
    }

    /// Takes over the journals that dead sessions left.
    static func abandoned(
        _ directories: LocalDirectories
    ) throws(LifeboatError) -> [(journal: SessionJournal, packs: [Digest])] {
        var result: [(journal: SessionJournal, packs: [Digest])] = []
        for name in try Files.list(directories.sessions) where name.hasSuffix(".journal") {
            let path = directories.sessions + "/" + name
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
            result.append((SessionJournal(file: file, path: path), packs))
        }
        return result
    }

    /// Remembers a pack that is durable.
    func add(_ pack: Digest) throws(LifeboatError) {
        let bytes = pack.bytes
        try bytes.withBytes { raw throws(LifeboatError) in try file.append(raw) }
    }

    /// Lets another session take over what this one leaves.
    func release() { file.unlock() }

    func remove() throws(LifeboatError) { try Files.remove(path) }
}
