import ArgumentParser
import Lifeboat
import LifeboatCore

/// `machines`: what a hypervisor has, and what can be done for it.
struct MachinesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "machines",
        abstract: "List this host's machines, and make their disks trackable.",
        discussion: """
            Alone it is machines list.

            Example:

              lifeboat machines
            """,
        subcommands: [
            MachinesListCommand.self, MachinesTrackCommand.self, MachinesUntrackCommand.self,
        ],
        defaultSubcommand: MachinesListCommand.self)
}
