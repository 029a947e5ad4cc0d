public import LifeboatCore
import LifeboatArchive
import LifeboatFormat
import LifeboatSystem
import LifeboatVolume

/// A running nbdkit that serves the volumes of a point, read-only.
///
/// Safe from many threads. It ends with this process unless it is detached.
public final class PointServer: Sendable {
    /// A volume that can be connected to by its name.
    public struct Volume: Sendable, Hashable {
        public var name: String
        /// Bytes.
        public var size: UInt64
        /// Whether it is a machine's definition; these are not listed to clients.
        public var isDefinition: Bool
    }

    /// The point's id.
    public let point: Digest
    /// The machine that the point is of.
    public let machine: String
    public let volumes: [Volume]
    /// Where it listens.
    public let place: ServeOptions.Place
    /// The process's number.
    public var identifier: Int32 { process.identifier }

    private let encryption: ServeOptions.Encryption?
    private let process: ChildProcess
    private let logFile: String?
    /// What was made for the socket, and goes with it.
    private let ownFolder: String?

    static let program = "nbdkit"
    /// What every NBD server says first.
    private static let greeting = Array("NBDMAGICIHAVEOPT".utf8)

    private init(
        _ target: Target, _ place: ServeOptions.Place, _ options: ServeOptions,
        _ process: ChildProcess, ownFolder: String?
    ) {
        point = target.point
        machine = target.machine
        volumes = target.volumes
        self.place = place
        encryption = options.encryption
        self.process = process
        logFile = options.logFile
        self.ownFolder = ownFolder
    }

    private struct Target {
        var point: Digest
        var machine: String
        var volumes: [Volume]
    }

    /// Starts a server, and returns when it answers.
    ///
    /// - Throws: `.missing` without nbdkit, the plugin, the point or the volume; `.wrongKey`
    ///   without the recovery key; `.exists` when somebody serves there already; `.unavailable`
    ///   with the server's last words when it does not come up.
    public static func start(_ options: ServeOptions) throws(LifeboatError) -> PointServer {
        try check(options)
        let plugin = try PluginFile.find()
        guard let nbdkit = ChildProcess.find(program) else {
            throw LifeboatError(
                .missing, "there is no program \(program)", subject: program,
                advice: "install the package nbdkit")
        }
        let target = try find(options)
        let (place, folder) = try prepare(options.place)
        var succeeds = false
        defer { if !succeeds, let folder { try? Files.removeTree(folder) } }
        let arguments =
            [nbdkit, "--foreground", "--threads=16"] + access(options)
            + listening(place, options) + [plugin] + parameters(target.point, options)
        var launch = ChildProcess.Launch(arguments)
        launch.environment = Files.environment.merging(options.access.environment) { $1 }
        // Overlays are made there: what they hold is better in a place of this user's.
        launch.environment?["TMPDIR"] = Files.absolute(options.access.cacheDirectory)
        launch.isDetached = options.isDetached
        if let log = options.logFile {
            // Nobody may be there to read what it says.
            launch.arguments =
                ["/bin/sh", "-c", #"log=$1; shift; exec "$@" >>"$log" 2>&1"#, "sh"]
                + [Files.absolute(log)] + arguments
        }
        let server = PointServer(
            target, place, options, try ChildProcess(launch), ownFolder: folder)
        try server.awaitAnswer(options.startSeconds)
        succeeds = true
        return server
    }

    private static func check(_ options: ServeOptions) throws(LifeboatError) {
        if case .port = options.place, options.encryption == nil {
            throw LifeboatError(
                .refused, "a point is not served over a network without encryption",
                advice: "give certificates or shared keys, or serve on a UNIX socket")
        }
        if options.isDetached, options.logFile == nil {
            throw LifeboatError(.usage, "a detached server needs a log file")
        }
        guard keyFile(options.access) != nil else {
            throw LifeboatError(
                .wrongKey, "reading data back needs the recovery key",
                advice: "give --recovery-key-file")
        }
    }

    private static func keyFile(_ access: RepositoryAccess) -> String? {
        if let path = access.recoveryKeyFile { return path }
        if case .recoveryKey(let path) = access.secret { return path }
        return nil
    }

    /// Looks the point up first: `latest` must stay the same when the server is started again.
    private static func find(_ options: ServeOptions) throws(LifeboatError) -> Target {
        let operations = Operations(access: options.access, events: options.access.network.events)
        let repository = try operations.openRepository(readsOnly: true)
        _ = try repository.requireRecovery()
        let catalog = try PointCatalog(repository, log: try repository.readLog())
        let filter = options.filter
        let point = try catalog.find(options.point) { filter.accepts($0) }
        let volumes = point.body.volumes.map {
            Volume(name: $0.name, size: $0.size, isDefinition: $0.content == .definition)
        }
        if let name = options.volume, !volumes.contains(where: { $0.name == name }) {
            throw LifeboatError(
                .missing, "point \(point.id.short) has no volume \(name)", subject: name,
                advice: "it has: \(volumes.map(\.name).joined(separator: ", "))")
        }
        return Target(point: point.id, machine: point.body.machine, volumes: volumes)
    }

    /// Makes way for a socket; the folder is one that goes with the server.
    private static func prepare(
        _ place: ServeOptions.Place
    ) throws(LifeboatError) -> (ServeOptions.Place, folder: String?) {
        guard case .socket(let given) = place else {
            if greets(place) { throw occupied(place) }
            return (place, nil)
        }
        var folder: String?
        let path: String
        if let given {
            path = Files.absolute(given)
            try Files.makeDirectories(Files.parent(of: path))
        } else {
            let base = Files.environment("XDG_RUNTIME_DIR").flatMap { $0.isEmpty ? nil : $0 }
            let made = (base ?? "/tmp") + "/lifeboat-" + Identifier.random().hex.prefix(16)
            guard !Files.exists(made) else { throw occupied(place) }
            try Files.makeDirectories(made)
            folder = made
            path = made + "/nbd"
        }
        guard path.utf8.count <= ServerGreeting.pathLimit else {
            throw LifeboatError(
                .usage, "a socket's path has at most \(ServerGreeting.pathLimit) bytes",
                subject: path)
        }
        let place = ServeOptions.Place.socket(path: path)
        if Files.exists(path) {
            guard !greets(place) else { throw occupied(place) }
            guard Files.isSocket(path) else {
                throw LifeboatError(
                    .exists, "a file is in the socket's way", subject: path)
            }
            // A server that was killed leaves its socket.
            try Files.remove(path)
        }
        return (place, folder)
    }

    private static func occupied(_ place: ServeOptions.Place) -> LifeboatError {
        LifeboatError(.exists, "somebody serves there already", subject: describe(place))
    }

    private static func describe(_ place: ServeOptions.Place) -> String {
        switch place {
        case .socket(let path): path ?? "a socket"
        case .port(let host, let number): "\(host):\(number)"
        }
    }

    private static func access(_ options: ServeOptions) -> [String] {
        options.overlay == nil ? ["--readonly"] : ["--filter=cow", "--filter=offset"]
    }

    private static func listening(
        _ place: ServeOptions.Place, _ options: ServeOptions
    ) -> [String] {
        var arguments: [String] = []
        switch place {
        case .socket(let path): arguments += ["--unix", path ?? ""]
        case .port(let host, let number):
            arguments += ["--ipaddr", host, "--port", String(number)]
        }
        switch options.encryption {
        case .certificates(let directory):
            arguments += [
                "--tls=require", "--tls-certificates=\(Files.absolute(directory))",
                "--tls-verify-peer",
            ]
        case .sharedKeys(let file):
            arguments += ["--tls=require", "--tls-psk=\(Files.absolute(file))"]
        case nil: break
        }
        if let path = options.pidFile { arguments += ["--pidfile", Files.absolute(path)] }
        return arguments
    }

    /// What the plugin is told: paths and names only, no secrets.
    private static func parameters(_ point: Digest, _ options: ServeOptions) -> [String] {
        let access = options.access
        let network = access.network
        let isAddress =
            access.location.hasPrefix("s3:") || access.location.hasPrefix("swift:")
        var parameters: [(String, String?)] = [
            ("repo", isAddress ? access.location : Files.absolute(access.location)),
            ("point", point.hex), ("volume", options.volume),
            ("recovery-key-file", keyFile(access).map(Files.absolute)),
            ("state-dir", Files.absolute(access.stateDirectory)),
            ("cache-dir", Files.absolute(access.cacheDirectory)),
            ("cache-size", String(options.cacheSize)), ("memory", String(options.memory)),
            ("source-address", network.sourceAddress), ("interface", network.interface),
        ]
        let links =
            network.needsLinkFile
            ? network.linkFiles.first : network.linkFiles.first(where: Files.exists)
        parameters.append(("links", links.map(Files.absolute)))
        if let overlay = options.overlay {
            parameters += [
                ("offset", String(overlay.offset)), ("range", String(overlay.length)),
            ]
        }
        for (name, rate) in [
            ("limit-upload", network.uploadLimit), ("limit-download", network.downloadLimit),
        ] where rate != .unlimited {
            parameters.append((name, rate.description))
        }
        return parameters.compactMap { name, value in value.map { "\(name)=\($0)" } }
    }

    private static func greets(_ place: ServeOptions.Place) -> Bool {
        let server: ServerGreeting.Place
        switch place {
        case .socket(let path): server = .socket(path: path ?? "")
        case .port(let host, let number): server = .port(host: host, number: number)
        }
        return ServerGreeting.read(server, count: greeting.count, seconds: 2) == greeting
    }

    private func awaitAnswer(_ seconds: Double) throws(LifeboatError) {
        let deadline = Clock.monotonicSeconds() + seconds
        while true {
            if Self.greets(place) { return }
            let hasEnded = process.wait(seconds: 0.05) != nil
            guard hasEnded || Clock.monotonicSeconds() > deadline else { continue }
            stop()
            throw LifeboatError(
                .unavailable,
                hasEnded
                    ? "the server of the point did not start"
                    : "the server of the point did not answer within \(seconds) s",
                subject: Self.describe(place), cause: lastWords)
        }
    }

    /// The path of its socket; `nil` where it listens to a port.
    public var socketPath: String? {
        if case .socket(let path) = place { return path }
        return nil
    }

    /// How clients name a volume.
    public func uri(volume: String) -> String {
        switch place {
        case .socket(let path):
            return NBDAddress.local(export: volume, socket: path ?? "")
        case .port(let host, let number):
            let shown = host.contains(":") ? "[\(host)]" : host
            return "nbds://\(shown):\(number)/\(NBDAddress.escaped(volume))"
        }
    }

    public var isRunning: Bool { process.isRunning }

    /// Whether it ended as it was asked to.
    public var wasInterrupted: Bool { process.wait(seconds: 0)?.isSuccess == true }

    /// Whether it answers who connects.
    public var isAnswering: Bool { Self.greets(place) }

    /// What it said last.
    public var lastWords: String {
        guard let logFile, let text = Files.text(logFile) else { return process.lastWords }
        return text.split(separator: "\n").suffix(3).joined(separator: "; ")
    }

    /// Waits at most so many seconds for its end; whether it has ended.
    public func wait(seconds: Double) -> Bool { process.wait(seconds: seconds) != nil }

    /// Ends it, and removes its socket.
    public func stop() {
        process.stop(graceSeconds: 5)
        if let ownFolder {
            try? Files.removeTree(ownFolder)
        } else if let socketPath {
            try? Files.remove(socketPath)
        }
    }

    /// Ends a detached server by its process number's file; whether it runs no more.
    @discardableResult
    public static func stop(pidFile: String) -> Bool {
        DetachedProcess.stop(pidFile: pidFile, program: program)
    }

    /// Whether a detached server runs whose process number stands in the file.
    public static func isRunning(pidFile: String) -> Bool {
        DetachedProcess.running(pidFile: pidFile, program: program) != nil
    }
}
