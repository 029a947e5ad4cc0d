import ArgumentParser
import Lifeboat
import LifeboatCore

/// `guardian`: the process beside a backup that lets guests run again where the backup does not.
///
/// Not for users: a backup starts it, and speaks to it on its standard input and output.
struct GuardianCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "guardian",
        abstract: "Let guests run again where the backup that froze them does not.",
        shouldDisplay: false)

    func run() throws {
        let isMended: Bool
        do throws(LifeboatError) { isMended = try GuardianService.run() } catch {
            _ = StandardStream.error.write("lifeboat: \(error)\n")
            throw ExitCode(ErrorReport(error).status.rawValue)
        }
        if !isMended { throw ExitCode(ExitStatus.failure.rawValue) }
    }
}
