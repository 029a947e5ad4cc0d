import LifeboatArchive
import LifeboatCodec
import LifeboatCore
import LifeboatSystem

/// How far a restore has come, so that it can go on after an interruption.
struct RestoreJournal {
    private let path: String
    private let identity: String

    init(
        _ directories: LocalDirectories, target: String, point: Digest, volume: String
    ) {
        let whole = Files.realPath(target) ?? Self.wholePath(ofNew: target)
        path =
            directories.restores + "/" + SHA256Hash.digest(Array(whole.utf8)).hex.prefix(32)
            + ".journal"
        identity = "\(point.hex) \(volume)"
    }

    private static func wholePath(ofNew target: String) -> String {
        let parent = Files.parent(of: target)
        let name = target.split(separator: "/").last ?? ""
        return (Files.realPath(parent) ?? parent) + "/" + name
    }

    /// The first chunk that is not known to be written and synced; `nil` without a journal that
    /// fits.
    var position: UInt64? {
        guard let bytes = try? Files.readWhole(path, limit: 65536) else { return nil }
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        guard lines.count == 2, lines[0] == identity else { return nil }
        return UInt64(lines[1])
    }

    /// Notes where the restore begins; what could not be noted is told.
    ///
    /// - Throws: when what an older journal says stays, although it no longer holds.
    func begin(_ position: UInt64) throws(LifeboatError) -> LifeboatError? {
        do throws(LifeboatError) {
            try note(position)
            return nil
        } catch {
            if Files.exists(path) { try Files.remove(path) }
            return error
        }
    }

    func note(_ position: UInt64) throws(LifeboatError) {
        try Files.writeAtomically(path, Array("\(identity)\n\(position)\n".utf8))
    }

    func remove() { try? Files.remove(path) }
}
