import ArgumentParser
import Lifeboat
import LifeboatCore

/// `mount`: a volume of a point as a file.
struct MountCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "mount",
        abstract: "Show a volume of a recovery point as a read-only file, without restoring it.",
        discussion: """
            DIR/VOLUME holds the volume's bytes until the command is interrupted or DIR is \
            unmounted with fusermount3 -u. Programs that read disk images can use it at once, \
            and its partitions can be mounted by way of a loop device. It needs nbdkit, nbdfuse \
            (Debian: libnbd-bin) and FUSE, and the recovery key, but not root.

            Example:

              lifeboat mount latest root /tmp/web --machine web --recovery-key-file recovery.key
            """)

    @Argument(help: ArgumentHelp("An id, a unique prefix, or latest.", valueName: "point"))
    var point: String

    @Argument(help: ArgumentHelp("The volume's name.", valueName: "volume"))
    var volume: String

    @Argument(
        help: ArgumentHelp("An empty directory; made where it is missing.", valueName: "dir"),
        completion: .directory)
    var directory: String

    @OptionGroup var filter: FilterOptions
    @OptionGroup var serving: ServingOptions
    @OptionGroup var recoveryKey: RecoveryKeyOptions
    @OptionGroup var repository: RepositoryOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if directory.isEmpty { throw ValidationError("the directory must not be empty") }
    }

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        var options = try serving.options(point, filter, repository, recoveryKey, run)
        options.volume = volume
        let mount = try VolumeMount.start(options, volume: volume, directory: directory)
        defer { mount.stop() }
        guard run.console.write(Report(mount)) else {
            throw LifeboatError(.internalFault, "the file's name could not be written")
        }
        while !run.cancellation.isCancelled, !mount.wait(seconds: 0.2) {}
        // A terminal interrupts the programs too, and their end may be noticed first.
        if run.cancellation.isCancelled || mount.wasUnmounted || mount.server.wasInterrupted {
            return .silent
        }
        throw LifeboatError(
            .unavailable, "what shows the volume has ended", subject: mount.file,
            cause: mount.lastWords)
    }
}
