import LifeboatCore
import LifeboatSystem

/// Which guardian looks after a machine: the one that came last.
///
/// A guardian whose run died goes on watching for a while. Meanwhile another run may freeze the
/// guest, and thawing that would spoil its point; that run's own guardian thaws whatever is frozen.
struct GuardianClaim: Sendable {
    /// A claim goes with the run that it is of, so it is looked at more often than any run ends.
    static let lookSeconds = 0.2

    let path: String
    private let mark: String
    private let isWritten: Bool

    /// Takes the machine over from the guardian before.
    ///
    /// `place`: where it is reached, since machines of two hosts may have one name.
    init(machine: String, place: String, in directory: String) {
        path = Self.path(machine: machine, place: place, in: directory)
        mark = Identifier.random().hex
        // Without it nobody is told, and the other one stays.
        try? Files.makeDirectories(directory)
        isWritten = (try? Files.writeAtomically(path, Array(mark.utf8))) != nil
    }

    static func path(machine: String, place: String, in directory: String) -> String {
        "\(directory)/guardian-" + MachineFileName.encode("\(machine)@\(place)")
    }

    /// Whether another guardian has taken it over.
    var isTakenOver: Bool {
        guard let bytes = try? Files.readWhole(path, limit: 1 << 10) else { return false }
        return bytes != Array(mark.utf8)
    }

    /// Whether another one has taken it over and has ended since, or somebody removed the file.
    var isGone: Bool { isWritten && !Files.exists(path) }

    func end() { if !isTakenOver { try? Files.remove(path) } }
}
