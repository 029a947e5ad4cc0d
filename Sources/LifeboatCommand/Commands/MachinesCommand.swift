import ArgumentParser
import Lifeboat
import LifeboatCore
import LifeboatMachine

/// `machines`: what a hypervisor has, and how each could be protected.
struct MachinesCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "machines",
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
        Report(inventory: try MachineInventory(uri: connect ?? "qemu:///system"))
    }
}
