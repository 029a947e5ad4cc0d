import ArgumentParser
import Lifeboat
import LifeboatCore
import LifeboatMachine

/// `machines track`.
struct MachinesTrackCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "track",
        abstract: "Let a raw disk of a machine keep a record of changes.",
        discussion: """
            The machine must be shut off. The disk becomes a small qcow2 file with nothing but \
            metadata, whose data are the raw file or device, which is not touched. Backups of it \
            read only what changed then.

            From then on nothing but the machine may write to the disk: what others write to the \
            raw file or device is in no record.

            Examples:

              lifeboat machines track web vdb
              lifeboat machines track web vdc --metadata /var/lib/libvirt/images/web-vdc.qcow2
            """)

    @Argument(help: "The machine: its name or UUID.")
    var machine: String

    @Argument(help: "The disk, such as vdb.")
    var disk: String

    @Option(
        help: ArgumentHelp(
            "The metadata file; by default beside the disk, where that is a file.",
            valueName: "file"))
    var metadata: String?

    @Option(
        help: ArgumentHelp("The hypervisor; by default qemu:///system.", valueName: "uri"))
    var connect: String?

    @OptionGroup var output: OutputOptions

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        let tracking = RawTracking(
            domain: machine, disk: disk, uri: connect ?? LibvirtConnection.systemURI)
        return Report(tracking: try tracking.track(metadata: metadata))
    }
}
