import ArgumentParser
import Lifeboat
import LifeboatCore
import LifeboatMachine

/// `machines untrack`.
struct MachinesUntrackCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "untrack",
        abstract: "Make a disk that keeps a record of changes a raw one again.",
        discussion: """
            The way back from machines track; the machine must be shut off. Backups of the disk \
            read all of it then, and store what changed.

            Example:

              lifeboat machines untrack web vdb
            """)

    @Argument(help: "The machine: its name or UUID.")
    var machine: String

    @Argument(help: "The disk, such as vdb.")
    var disk: String

    @Option(
        help: ArgumentHelp("The hypervisor; by default qemu:///system.", valueName: "uri"))
    var connect: String?

    @OptionGroup var output: OutputOptions

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        let tracking = RawTracking(
            domain: machine, disk: disk, uri: connect ?? LibvirtConnection.systemURI)
        return Report(tracking: try tracking.untrack())
    }
}
