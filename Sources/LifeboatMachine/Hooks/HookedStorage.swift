public import LifeboatCore
internal import LifeboatSystem
internal import LifeboatVolume

/// A storage whose snapshots the user's own programs make, such as those of LVM, ZFS or btrfs.
///
/// The programs get `LIFEBOAT_MACHINE`, `LIFEBOAT_SNAPSHOT` and `LIFEBOAT_VOLUMES` in their
/// environment, and little else of this process's: it may hold secrets.
public final class HookedStorage: ProtectedMachine {
    /// What a source's name begins with.
    public static let prefix = "dir-hooks:"

    public let name: String
    public let platform = "dir-hooks"
    /// What is on it changes all the time.
    public let isRunning = true
    public var quiescer: (any Quiescer)? { nil }
    private let configuration: HookedConfiguration
    private let state = Guarded(State())

    private struct State {
        var request: SnapshotRequest?
        /// Whether a program has run, so that the release must.
        var hasBegun = false
        var thawIsDue = false
        var level: ConsistencyLevel?
        var notes: [String] = []
        var volumes: [DetachableVolume] = []
    }

    /// What the programs see of this process's environment.
    private static let inherited = ["PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR"]

    public init(_ configuration: HookedConfiguration) {
        self.configuration = configuration
        name = configuration.machine
    }

    /// Opens `dir-hooks:FILE.yaml`, or FILE.yaml alone.
    public convenience init(source: String) throws(LifeboatError) {
        let file =
            source.hasPrefix(Self.prefix)
            ? String(source.dropFirst(Self.prefix.count)) : source
        self.init(try HookedConfiguration(file: file))
    }

    public var quiescesItself: Bool { true }
    public var reachedLevel: ConsistencyLevel? { state.withLock { $0.level } }

    public func prepare(_ request: SnapshotRequest) throws(LifeboatError) {
        state.withLock { $0 = State(request: request) }
        guard let hook = configuration.beforeSnapshot else { return }
        state.withLock {
            $0.hasBegun = true
            $0.thawIsDue = true
        }
        try run(hook, "pre-snapshot")
    }

    public func startSnapshot(timeoutSeconds: Double) throws(LifeboatError) {
        let policy = state.withLock { $0.request?.policy } ?? ProtectionPolicy()
        guard policy.quiesce != .stateless else { return }
        state.withLock {
            $0.hasBegun = true
            $0.thawIsDue = true
        }
        do throws(LifeboatError) {
            try snapshot(policy, timeoutSeconds)
        } catch {
            runThaw()
            throw error
        }
        runThaw()
    }

    /// Runs the program between freezing and thawing.
    private func snapshot(
        _ policy: ProtectionPolicy, _ timeoutSeconds: Double
    ) throws(LifeboatError) {
        var frozen: FrozenFileSystems?
        if !configuration.freeze.isEmpty, [.require, .prefer].contains(policy.quiesce) {
            do throws(LifeboatError) {
                frozen = try FrozenFileSystems(
                    places: configuration.freeze,
                    deadlineSeconds: min(configuration.freezeSeconds, policy.freezeSeconds))
            } catch {
                try lower(policy, "nothing was frozen: \(error.description)", error)
            }
        } else if policy.quiesce == .require {
            throw LifeboatError(
                .refused, "\(name) has nothing to freeze, and its policy requires it",
                subject: name, advice: "name mount points as freeze in its file")
        }
        let wasFrozen: Bool?
        do throws(LifeboatError) {
            try run(configuration.snapshot, "snapshot", limit: timeoutSeconds)
            wasFrozen = frozen?.thaw()
        } catch {
            _ = frozen?.thaw()
            throw error
        }
        if wasFrozen == false {
            let text = "the file systems thawed by themselves before the snapshot was made"
            try lower(policy, text, LifeboatError(.unavailable, text, subject: name))
        }
        state.withLock { $0.level = wasFrozen == true ? .filesystem : .crash }
    }

    public func pause(timeoutSeconds: Double) throws(LifeboatError) {
        throw LifeboatError(
            .unsupported, "\(name) is a storage, and cannot be paused", subject: name)
    }

    public func resume(timeoutSeconds: Double) throws(LifeboatError) {}

    public func openVolumes() throws(LifeboatError) -> [SnapshotVolume] {
        guard state.withLock({ $0.request?.policy.quiesce }) != .stateless else { return [] }
        let output = try run(configuration.path, "path")
        let paths = try Self.paths(output, volumes: configuration.volumes, machine: name)
        var found: [SnapshotVolume] = []
        for volume in configuration.volumes {
            guard let path = paths[volume] else { continue }
            let reader = DetachableVolume(try VolumeOpener.open(source: path))
            state.withLock { $0.volumes.append(reader) }
            var snapshot = SnapshotVolume(name: volume, reader: reader)
            snapshot.notes = state.withLock { $0.notes } + VolumeOpener.notes(source: path)
            found.append(snapshot)
        }
        return found
    }

    public func definition() throws(LifeboatError) -> MachineDefinition {
        let sizes = state.withLock { $0.volumes.map(\.size) }
        let disks = zip(configuration.volumes, sizes).map { volume, size in
            MachineDescription.Disk(
                name: volume, volume: volume, size: size, bus: "none", format: "raw")
        }
        return MachineDefinition(
            description: MachineDescription(
                name: name, uuid: nil, platform: platform, architecture: "none", processors: 0,
                memory: 0, firmware: .bios, disks: disks, interfaces: []))
    }

    public func finish(isDurable: Bool) -> [String] {
        let (volumes, hasBegun) = state.withLock { state in
            defer {
                state.volumes = []
                state.hasBegun = false
            }
            return (state.volumes, state.hasBegun)
        }
        for volume in volumes { volume.detach() }
        var warnings = runThaw()
        guard hasBegun else { return warnings }
        do throws(LifeboatError) {
            try run(configuration.release, "release")
        } catch {
            warnings.append(error.description)
        }
        return warnings
    }

    // MARK: programs

    /// Fails where the policy requires more than can be had, and otherwise notes it.
    private func lower(
        _ policy: ProtectionPolicy, _ reason: String, _ error: LifeboatError
    ) throws(LifeboatError) {
        guard policy.quiesce != .require else { throw error }
        state.withLock { $0.notes.append(reason) }
    }

    /// Runs the thaw program once, where something ran that it is the counterpart of.
    @discardableResult
    private func runThaw() -> [String] {
        let isDue = state.withLock { state in
            defer { state.thawIsDue = false }
            return state.thawIsDue
        }
        guard isDue, let hook = configuration.thaw else { return [] }
        do throws(LifeboatError) {
            try run(hook, "thaw")
            return []
        } catch {
            state.withLock { $0.notes.append(error.description) }
            return [error.description]
        }
    }

    @discardableResult
    private func run(
        _ hook: HookedConfiguration.Hook, _ what: String, limit: Double = .infinity
    ) throws(LifeboatError) -> String {
        var launch = ChildProcess.Launch(hook.arguments)
        var environment: [String: String] = [:]
        for name in Self.inherited { environment[name] = Files.environment(name) }
        environment["LIFEBOAT_MACHINE"] = name
        environment["LIFEBOAT_SNAPSHOT"] = state.withLock { $0.request?.snapshot } ?? ""
        environment["LIFEBOAT_VOLUMES"] = configuration.volumes.joined(separator: " ")
        launch.environment = environment
        let result = try ChildProcess.run(
            launch, timeoutSeconds: min(hook.timeoutSeconds, limit))
        guard result.isSuccess else {
            throw LifeboatError(
                .unavailable, "the program for \(what) of \(name) failed", subject: name,
                cause: result.lastWords.isEmpty ? "\(result.ending)" : result.lastWords)
        }
        return String(decoding: result.output, as: UTF8.self)
    }

    /// The lines `NAME=PATH`, one for each volume.
    static func paths(
        _ output: String, volumes: [String], machine: String
    ) throws(LifeboatError) -> [String: String] {
        func refusal(_ text: String) -> LifeboatError {
            LifeboatError(
                .refused, "the program for path of \(machine) \(text)", subject: machine,
                advice: "it prints NAME=PATH once for each volume")
        }
        var paths: [String: String] = [:]
        for line in output.split(separator: "\n") {
            guard let equals = line.firstIndex(of: "=") else {
                throw refusal("printed a line without =")
            }
            let name = String(line[..<equals])
            let path = String(line[line.index(after: equals)...])
            guard volumes.contains(name), !path.isEmpty, paths[name] == nil else {
                throw refusal("printed what is no volume's, or one twice: \(name)")
            }
            paths[name] = path
        }
        guard let missing = volumes.first(where: { paths[$0] == nil }) else { return paths }
        throw refusal("says nothing of volume \(missing)")
    }
}
