import ArgumentParser
import Lifeboat
import LifeboatCore

/// `restore`: gives volumes back, bit for bit.
struct RestoreCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Write volumes of a recovery point back.",
        discussion: """
            One volume goes to a new file (sparse), a new image (.qcow2, .vmdk, .vhdx, .vdi), a \
            block device, an NBD export (nbd://HOST/EXPORT), or - for standard output; several \
            volumes go into a directory, each to a file of its name. What exists is not \
            overwritten, unless --in-place is given: then only what differs is written. What was \
            written is read again and compared. The recovery key is needed, and suffices.

            Example:

              lifeboat restore latest web.img --machine web --recovery-key-file recovery.key
            """)

    @Argument(help: ArgumentHelp("An id, a unique prefix, or latest.", valueName: "point"))
    var point: String

    @Argument(
        help: ArgumentHelp(
            "A file, an image, a block device, an NBD export, a directory, or -.",
            valueName: "target"),
        completion: .file())
    var target: String

    @Option(
        name: .customLong("volume"),
        help: ArgumentHelp("Restore only this volume; may be repeated.", valueName: "name"))
    var volumes: [String] = []

    @Flag(
        name: .customLong("in-place"),
        help: "Write onto an existing target, only where it differs.")
    var isInPlace = false

    @Flag(name: .customLong("resume"), help: "Go on with an interrupted restore to this target.")
    var resumes = false

    @Flag(name: .customLong("no-verify"), help: "Do not read again what was written.")
    var noVerify = false

    @OptionGroup var filter: FilterOptions
    @OptionGroup var resources: ResourceOptions
    @OptionGroup var recoveryKey: RecoveryKeyOptions
    @OptionGroup var secret: SecretOptions
    @OptionGroup var repository: RepositoryOptions
    @OptionGroup var output: OutputOptions

    var writesData: Bool { target == "-" }

    func validate() throws {
        if target.isEmpty { throw ValidationError("the target must not be empty") }
        if target == "-", isInPlace || resumes {
            throw ValidationError("--in-place and --resume need a file or a device, not -")
        }
        if Set(volumes).count < volumes.count {
            throw ValidationError("a --volume is named twice")
        }
    }

    func options() throws(LifeboatError) -> RestoreOptions {
        var options = RestoreOptions(point: point, target: target)
        options.filter = try filter.filter()
        options.volumes = volumes
        options.isInPlace = isInPlace
        options.resumes = resumes
        options.verifies = !noVerify
        options.memory = resources.memory.bytes
        options.threads = resources.threads
        return options
    }

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        if target == "-", StandardStream.output.isTerminal {
            throw LifeboatError(
                .refused, "standard output is a terminal, and a disk would go there",
                advice: "name a file, or pipe it somewhere")
        }
        let options = try options()
        guard let key = recoveryKey.file else {
            throw LifeboatError(
                .usage, "reading data back needs the recovery key",
                advice: "give --recovery-key-file with the file that init wrote")
        }
        let operations = try run.operations(repository, secret, recoveryKeyFile: key)
        return Report(try operations.restore(options))
    }
}
