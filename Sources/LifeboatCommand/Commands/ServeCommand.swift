import ArgumentParser
import Lifeboat
import LifeboatCore

/// `serve`: offers a point's volumes to NBD clients.
struct ServeCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Offer the volumes of a recovery point as disks, without restoring them.",
        discussion: """
            Clients of the NBD protocol, such as QEMU, nbdcopy and nbd-client, read the volumes at \
            once; every byte is checked on its way. Nothing can be written. It listens on a UNIX \
            socket, or with TLS on a port, until it is interrupted. It needs nbdkit, and the \
            recovery key.

            Example:

              lifeboat serve latest --machine web --recovery-key-file recovery.key
            """)

    @Argument(help: ArgumentHelp("An id, a unique prefix, or latest.", valueName: "point"))
    var point: String

    @Option(
        help: ArgumentHelp(
            "Listen on this UNIX socket; else on a new one that only this user reaches.",
            valueName: "path"), completion: .file())
    var socket: String?

    @Option(
        help: ArgumentHelp(
            "Listen on a port instead, with TLS.", valueName: "host:port"))
    var listen: AddressArgument?

    @Option(
        name: .customLong("tls-certificates"),
        help: ArgumentHelp(
            """
            A folder with ca-cert.pem, server-cert.pem and server-key.pem; clients must show a \
            certificate of the same authority.
            """, valueName: "dir"), completion: .directory)
    var certificates: String?

    @Option(
        name: .customLong("tls-psk"),
        help: ArgumentHelp(
            "A file with keys that clients share, as psktool writes it.", valueName: "file"),
        completion: .file())
    var sharedKeys: String?

    @Option(
        name: .customLong("volume"),
        help: ArgumentHelp(
            "What clients get that name no volume; else the first disk.", valueName: "name"))
    var volume: String?

    @OptionGroup var filter: FilterOptions
    @OptionGroup var serving: ServingOptions
    @OptionGroup var recoveryKey: RecoveryKeyOptions
    @OptionGroup var repository: RepositoryOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if socket != nil, listen != nil {
            throw ValidationError("--socket and --listen exclude each other")
        }
        if certificates != nil, sharedKeys != nil {
            throw ValidationError("--tls-certificates and --tls-psk exclude each other")
        }
        if listen != nil, certificates == nil, sharedKeys == nil {
            throw ValidationError("--listen needs --tls-certificates or --tls-psk")
        }
        if socket?.isEmpty == true { throw ValidationError("--socket must not be empty") }
    }

    func options(_ run: Invocation) throws(LifeboatError) -> ServeOptions {
        var options = try serving.options(point, filter, repository, recoveryKey, run)
        options.volume = volume
        if let listen {
            options.place = .port(host: listen.host, number: listen.port)
        } else {
            options.place = .socket(path: socket)
        }
        if let certificates { options.encryption = .certificates(directory: certificates) }
        if let sharedKeys { options.encryption = .sharedKeys(file: sharedKeys) }
        return options
    }

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        let server = try PointServer.start(try options(run))
        defer { server.stop() }
        // What the run has to say is wanted while it serves.
        guard run.console.write(Report(server)) else {
            throw LifeboatError(.internalFault, "the addresses could not be written")
        }
        while !run.cancellation.isCancelled, !server.wait(seconds: 0.2) {}
        // A terminal interrupts the server too, and its end may be noticed first.
        if run.cancellation.isCancelled || server.wasInterrupted { return .silent }
        throw LifeboatError(
            .unavailable, "the server of the point has ended", subject: server.socketPath,
            cause: server.lastWords)
    }
}
