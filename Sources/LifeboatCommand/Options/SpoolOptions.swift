import ArgumentParser
import LifeboatCore

/// Where points go while the store cannot be reached, instead of what the file of links says.
struct SpoolOptions: ParsableArguments {
    @Option(
        name: .customLong("spool"),
        help: ArgumentHelp(
            """
            Where points wait while the store cannot be reached; by default what the file of \
            links says.
            """, valueName: "dir"), completion: .directory)
    var directory: String?

    @Option(
        name: .customLong("spool-size"),
        help: ArgumentHelp(
            "What waiting points may take there, such as 50GiB.", valueName: "size"))
    var size: ByteCountArgument?

    func validate() throws {
        if size != nil, directory == nil { throw ValidationError("--spool-size needs --spool") }
        if directory?.isEmpty == true { throw ValidationError("--spool must not be empty") }
        if size?.bytes == 0 { throw ValidationError("--spool-size must not be 0") }
    }

    /// `nil` where the file of links decides.
    var settings: SpoolSettings? {
        directory.map {
            SpoolSettings(directory: $0, size: size?.bytes ?? .max, occasion: .unreachable)
        }
    }
}
