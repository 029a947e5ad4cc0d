import LifeboatCore
import LifeboatSystem

/// Whose a spool is, in a file of its directory.
struct SpoolOwner: Equatable {
    var repository: Identifier
    /// The name of the state directory that it goes with.
    var state: Identifier
    /// Where the repository is.
    var location: String

    private static let title = "lifeboat spool 1"

    private static func file(_ path: String) -> String { path + "/owner" }

    static func isThere(_ path: String) -> Bool { Files.exists(file(path)) }

    /// Whose the spool at `path` is; `nil` where there is none.
    static func load(_ path: String) throws(LifeboatError) -> SpoolOwner? {
        let file = file(path)
        guard Files.exists(file) else { return nil }
        let text = String(decoding: try Files.readWhole(file, limit: 1 << 16), as: UTF8.self)
        var fields: [Substring: Substring] = [:]
        for line in text.split(separator: "\n").dropFirst() {
            let parts = line.split(separator: " ", maxSplits: 1)
            if parts.count == 2 { fields[parts[0]] = parts[1] }
        }
        guard text.hasPrefix(title + "\n"),
            let repository = fields["repository"].flatMap({ Identifier(hex: $0) }),
            let state = fields["state"].flatMap({ Identifier(hex: $0) }),
            let location = fields["location"].flatMap({ Hex.decode($0) })
        else {
            throw LifeboatError(
                .damaged, "the file that says whose this spool is cannot be read", subject: file,
                advice: "was it made by a newer lifeboat? Else remove the spool's directory")
        }
        return SpoolOwner(
            repository: repository, state: state,
            location: String(decoding: location, as: UTF8.self))
    }

    func save(_ path: String) throws(LifeboatError) {
        let lines = [
            Self.title, "repository \(repository.hex)", "state \(state.hex)",
            "location \(Hex.encode(Array(location.utf8)))",
        ]
        try Files.writeAtomically(
            Self.file(path), Array((lines.joined(separator: "\n") + "\n").utf8))
    }

    /// - Throws: `.refused` when it is of another repository or state directory.
    func refuseOthers(than expected: SpoolOwner, path: String) throws(LifeboatError) {
        guard repository == expected.repository, location == expected.location else {
            throw LifeboatError(
                .refused, "this is the spool of the repository at \(location)", subject: path,
                advice: "give each repository a spool of its own")
        }
        guard state == expected.state else {
            throw LifeboatError(
                .refused, "this is the spool of another state directory", subject: path,
                advice: "give each host a spool of its own; if the state directory was lost, "
                    + "remove the spool")
        }
    }
}

/// Held while a process changes a spool.
public final class SpoolLock: Sendable {
    private let file: File

    init(
        _ path: String, waits: Bool, cancellation: Cancellation
    ) throws(LifeboatError) {
        do throws(LifeboatError) {
            file = try File(path: path, access: .createNew)
        } catch {
            guard error.code == .exists else { throw error }
            file = try File(path: path, access: .readWrite)
        }
        while try !file.lock(exclusive: true, wait: false) {
            guard waits else {
                throw LifeboatError(
                    .refused, "another process of this host is at work on the spool",
                    subject: Files.parent(of: path), advice: "try again when it is done")
            }
            try cancellation.check()
            Threads.sleep(seconds: 0.1)
        }
    }

    deinit { file.unlock() }
}
