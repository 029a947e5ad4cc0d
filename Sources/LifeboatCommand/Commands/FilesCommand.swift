import ArgumentParser
import Lifeboat
import LifeboatCore

/// `files`: single files out of a volume.
struct FilesCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "files",
        abstract: "List files of a volume of a recovery point, or copy them out.",
        discussion: """
            Reads ext2, ext3, ext4, XFS and NTFS, on a whole volume or in a partition, without \
            root and without restoring or mounting anything. A journal that was not written back \
            when the point was made is replayed on an overlay; the point stays as it is. It needs \
            nbdkit; nbdfuse and e2fsprogs for ext, libguestfs for XFS and NTFS; and the recovery \
            key.

            Example:

              lifeboat files latest root /etc/hosts --copy-to . --machine web \
            --recovery-key-file recovery.key
            """)

    @Argument(help: ArgumentHelp("An id, a unique prefix, or latest.", valueName: "point"))
    var point: String

    @Argument(help: ArgumentHelp("The volume's name.", valueName: "volume"))
    var volume: String

    @Argument(help: ArgumentHelp("A directory or a file of the volume.", valueName: "path"))
    var path = "/"

    @Option(
        help: ArgumentHelp(
            "The partition's number; needed where several have file systems.",
            valueName: "number"))
    var partition: Int?

    @Option(
        name: .customLong("copy-to"),
        help: ArgumentHelp(
            "Copy what the path names, with all that is below it, into this directory.",
            valueName: "dir"), completion: .directory)
    var target: String?

    @OptionGroup var filter: FilterOptions
    @OptionGroup var serving: ServingOptions
    @OptionGroup var recoveryKey: RecoveryKeyOptions
    @OptionGroup var repository: RepositoryOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if let partition, partition < 1 { throw ValidationError("--partition begins at 1") }
        if path.isEmpty { throw ValidationError("the path must not be empty") }
        if target?.isEmpty == true { throw ValidationError("--copy-to must not be empty") }
    }

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        var options = FileOptions(
            serve: try serving.options(point, filter, repository, recoveryKey, run),
            volume: volume)
        options.path = path
        options.partition = partition
        options.target = target
        options.applianceSeconds = try run.environment.applianceSeconds()
        let operations = Operations(
            access: options.serve.access, events: run.console, cancellation: run.cancellation)
        return Report(try operations.files(options))
    }
}
