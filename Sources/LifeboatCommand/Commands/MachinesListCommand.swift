import ArgumentParser
import Lifeboat
import LifeboatCore
import LifeboatMachine

/// `machines list`.
struct MachinesListCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List this host's machines, and how each could be protected.",
        discussion: """
            Example:

              lifeboat machines
            """)

    @Option(
        help: ArgumentHelp("The hypervisor; by default qemu:///system.", valueName: "uri"))
    var connect: String?

    @OptionGroup var output: OutputOptions

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        Report(inventory: try MachineInventory(uri: connect ?? LibvirtConnection.systemURI))
    }
}
