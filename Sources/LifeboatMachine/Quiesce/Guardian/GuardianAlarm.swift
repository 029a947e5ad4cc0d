import Foundation
import Glibc
import LifeboatCore
import LifeboatSystem

/// A guest that may be frozen or paused still, and that no process outside can reach.
///
/// It is left in a file of the run directory, for the next run and for whoever looks; the guardian
/// takes it away when it reaches the guest after all.
public struct GuardianAlarm: Sendable, Equatable, Codable {
    private static let prefix = "frozen-"

    public var machine: String
    public var address: GuestAgentAddress
    /// Milliseconds since 1970.
    public var time: UInt64
    public var message: String
    /// Whether it was paused instead of frozen.
    public var isPaused: Bool?

    /// One sentence with what to do.
    public var advice: String {
        if isPaused == true { return "resume \(machine) by its hypervisor" }
        return "look at \(machine)'s console; where its agent is dead, reset the machine"
    }

    private static func path(_ machine: String, _ directory: String) -> String {
        "\(directory)/\(prefix)\(MachineFileName.encode(machine)).json"
    }

    func write(in directory: String) throws(LifeboatError) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let bytes = (try? encoder.encode(self)) ?? Data()
        try Files.makeDirectories(directory)
        try Files.writeAtomically(Self.path(machine, directory), Array(bytes))
    }

    /// Takes a machine's alarm away, where there is one.
    public static func remove(machine: String, in directory: String) {
        try? Files.remove(path(machine, directory))
    }

    /// The alarms of a run directory; one that cannot be read still tells that it is there.
    public static func all(in directory: String) -> [GuardianAlarm] {
        guard let names = try? Files.list(directory) else { return [] }
        return names.sorted().filter { $0.hasPrefix(prefix) && $0.hasSuffix(".json") }.map { name in
            if let bytes = try? Files.readWhole("\(directory)/\(name)", limit: 1 << 16),
                let alarm = try? JSONDecoder().decode(Self.self, from: Data(bytes))
            {
                return alarm
            }
            return GuardianAlarm(
                machine: MachineFileName.decode(
                    String(name.dropFirst(prefix.count).dropLast(5))),
                address: GuestAgentAddress(), time: 0, message: "its guest may be frozen")
        }
    }
}
