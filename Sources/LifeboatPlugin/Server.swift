import CNBDKit
import Lifeboat
import LifeboatCore
import LifeboatSystem

/// What the server was told, and the point that it serves.
///
/// nbdkit asks for all of it from many threads, once it has begun to serve.
final class Server: Sendable {
    static let shared = Server()

    private struct State {
        var parameters: [String: String] = [:]
        var point: PointReader?
    }

    private static let paths: Set<String> = [
        "recovery-key-file", "state-dir", "cache-dir", "links",
    ]
    private static let texts: Set<String> = [
        "repo", "point", "machine", "volume", "cache-size", "memory", "limit-download",
        "limit-upload", "source-address", "interface",
    ]
    private static let needed = ["repo", "point", "recovery-key-file"]

    private let state = Guarded(State())
    let cancellation = Cancellation()

    private func failure(_ message: String) -> LifeboatError {
        LifeboatError(.usage, message, advice: "see: nbdkit --help with the plugin's path")
    }

    /// Takes a parameter.
    func configure(_ key: String, _ value: String) throws(LifeboatError) {
        guard Self.paths.contains(key) || Self.texts.contains(key) else {
            throw failure("there is no parameter \(key)")
        }
        guard !value.isEmpty else { throw failure("parameter \(key) is empty") }
        var value = value
        let isDirectory =
            key == "repo" && !value.hasPrefix("s3:") && !value.hasPrefix("swift:")
        if Self.paths.contains(key) || isDirectory {
            // The server may go to another directory later.
            guard let path = lifeboat_nbdkit_absolute_path(value) else {
                throw failure("parameter \(key) is no path")
            }
            value = String(cString: path)
        }
        let isNew = state.withLock { $0.parameters.updateValue(value, forKey: key) == nil }
        guard isNew else { throw failure("parameter \(key) is given twice") }
    }

    /// Finds out what is wrong with the parameters before anything begins.
    func check() throws(LifeboatError) {
        let parameters = state.withLock { $0.parameters }
        for key in Self.needed where parameters[key] == nil {
            throw failure("parameter \(key) is missing")
        }
        let access = try access(parameters)
        _ = try options(parameters)
        try RepositoryAccess.check(location: access.location)
        try access.check()
    }

    private func size(
        _ key: String, _ parameters: [String: String]
    ) throws(LifeboatError) -> UInt64? {
        guard let text = parameters[key] else { return nil }
        guard let size = ByteText.parse(text) else {
            throw failure("parameter \(key) is no size: \(text)")
        }
        return size
    }

    private func options(
        _ parameters: [String: String]
    ) throws(LifeboatError) -> PointReaderOptions {
        var options = PointReaderOptions(point: parameters["point"] ?? "")
        options.filter.machine = parameters["machine"]
        if let size = try size("cache-size", parameters) { options.cacheSize = size }
        if let size = try size("memory", parameters) {
            guard size >= 32 << 20 else { throw failure("memory must be at least 32MiB") }
            options.memory = size
        }
        return options
    }

    private func rate(
        _ key: String, _ parameters: [String: String]
    ) throws(LifeboatError) -> TrafficRate {
        guard let text = parameters[key] else { return .unlimited }
        guard let rate = TrafficRate(text) else {
            throw failure("parameter \(key) is no rate: \(text)")
        }
        return rate
    }

    private func access(
        _ parameters: [String: String]
    ) throws(LifeboatError) -> RepositoryAccess {
        var network = NetworkOptions()
        if let links = parameters["links"] {
            network.linkFiles = [links]
            network.needsLinkFile = true
        }
        network.uploadLimit = try rate("limit-upload", parameters)
        network.downloadLimit = try rate("limit-download", parameters)
        network.sourceAddress = parameters["source-address"]
        network.interface = parameters["interface"]
        network.events = LogSink()
        let home = Files.homeDirectory
        return RepositoryAccess(
            location: parameters["repo"] ?? "", secret: .none,
            recoveryKeyFile: parameters["recovery-key-file"],
            stateDirectory: parameters["state-dir"] ?? Files.environment("LIFEBOAT_STATE_DIR")
                ?? home + "/.local/state/lifeboat",
            cacheDirectory: parameters["cache-dir"] ?? Files.environment("LIFEBOAT_CACHE_DIR")
                ?? home + "/.cache/lifeboat",
            environment: Files.environment, network: network)
    }

    /// Opens the point, in the process that serves it.
    func begin() throws(LifeboatError) {
        let parameters = state.withLock { $0.parameters }
        Files.raiseOpenFileLimit()
        // While the store is away a request may wait for long, and an end must not wait for it.
        _ = Threads.start(name: "end") { [cancellation] in
            lifeboat_nbdkit_wait_for_end()
            cancellation.cancel()
        }
        let operations = Operations(
            access: try access(parameters), events: LogSink(), cancellation: cancellation)
        let point = try operations.openPoint(try options(parameters))
        if let name = parameters["volume"] { _ = try point.volume(name) }
        state.withLock { $0.point = point }
    }

    /// Lets go of the point.
    func end() {
        cancellation.cancel()
        state.withLock { state in
            state.point?.close()
            state.point = nil
        }
    }

    private func point() throws(LifeboatError) -> PointReader {
        guard let point = state.withLock({ $0.point }) else {
            throw LifeboatError(.internalFault, "no point is open")
        }
        return point
    }

    /// Names of the volumes that are offered: definitions only to who asks by name.
    func exports() throws(LifeboatError) -> [String] {
        try point().volumes.filter { !$0.isDefinition }.map(\.name)
    }

    /// The volume that is served to who names none.
    func defaultExport() throws(LifeboatError) -> String {
        if let name = state.withLock({ $0.parameters["volume"] }) { return name }
        let point = try point()
        guard let first = try exports().first ?? point.volumes.first?.name else {
            throw LifeboatError(.missing, "the point has no volumes")
        }
        return first
    }

    /// The volume that is exported by this name.
    func volume(_ export: String) throws(LifeboatError) -> ServedVolume {
        try point().volume(export.isEmpty ? try defaultExport() : export)
    }
}

/// Events of the operations, in nbdkit's log.
private struct LogSink: EventSink {
    func tell(_ event: Event) {
        if case .warning(let message) = event { lifeboat_nbdkit_error("warning: \(message)") }
    }
}
