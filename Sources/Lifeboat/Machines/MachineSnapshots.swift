import LifeboatArchive
import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatMachine
import LifeboatSystem
import LifeboatVolume

/// The machines of one backup: their snapshots, from preparing them to cleaning up.
///
/// Used by one thread. `end` must be called, whatever failed.
final class MachineSnapshots {
    private struct Member {
        let machine: any ProtectedMachine
        let policy: ProtectionPolicy
        /// What its volumes' names begin with.
        let prefix: String
        let request: SnapshotRequest
        var outcome: QuiesceOutcome?
        var record: PointMachine
        var isStarted = false

        /// What the cycle of quiescing is to do: nothing where the machine does it itself.
        var cyclePolicy: ProtectionPolicy {
            var policy = policy
            if machine.quiescesItself { policy.quiesce = .crash }
            return policy
        }
    }

    private let options: BackupOptions
    private let events: any EventSink
    private let cancellation: Cancellation
    private var members: [Member] = []
    /// Its guardian outlives this process, and has to hear of the end.
    private var runner: QuiesceRunner?
    private(set) var skew: UInt64?
    private var definitions: [BackupOptions.Source] = []

    /// What a definition's volume is called.
    static func definitionName(_ member: String) -> String { member + ".definition.tar" }

    /// The volumes by which the newest points of these members are found.
    static func keyVolumes(_ members: [BackupMember]) -> [String] {
        members.map { definitionName($0.machine.name) }
    }

    /// Opens the machines, learns what their newest points were made of, and prepares them.
    ///
    /// - Throws: what speaks against the backup of any of them; all that was begun is undone.
    init(
        _ operations: Operations, _ options: BackupOptions, _ repository: Repository,
        _ catalog: PointCatalog
    ) throws(LifeboatError) {
        self.options = options
        events = operations.events
        cancellation = operations.cancellation
        for member in options.members {
            let machine = member.machine
            let prefix = options.members.count > 1 ? machine.name + "." : ""
            let request = SnapshotRequest(
                line: Self.line(repository.id, options.machine, machine.name),
                snapshot: String(Identifier.random().hex.prefix(16)),
                bases: Self.bases(options, machine.name, prefix, catalog),
                policy: member.policy, runDirectory: options.runDirectory,
                scratchDirectory: options.scratchDirectory)
            members.append(
                Member(
                    machine: machine, policy: member.policy, prefix: prefix, request: request,
                    record: PointMachine(
                        name: machine.name, volumes: [], definition: nil, consistency: .none,
                        policy: member.policy.quiesce.rawValue, platform: machine.platform)))
        }
        guard !members.isEmpty else { return }
        for directory in [options.runDirectory, options.scratchDirectory] {
            // Hypervisors run as users of their own, who must get through.
            try Files.makeDirectories(directory, mode: 0o711)
        }
        do throws(LifeboatError) {
            for index in members.indices {
                try cancellation.check()
                if members[index].policy.quiesce != .stateless {
                    members[index].isStarted = true
                    try members[index].machine.prepare(members[index].request)
                }
                // Only now does the machine know which of its disks become volumes.
                try captureDefinition(index)
            }
        } catch {
            _ = end(isDurable: false)
            throw error
        }
    }

    /// Eight hexadecimal digits for a repository, what its points call the machine or group, and
    /// the member of it.
    private static func line(_ repository: Identifier, _ machine: String, _ member: String)
        -> String
    {
        let digest = SHA256Hash.digest(
            Array("lifeboat snapshot line".utf8) + repository.bytes + Array(machine.utf8) + [0]
                + Array(member.utf8))
        return String(digest.hex.prefix(8))
    }

    /// What the volumes of the member's newest point were read from.
    private static func bases(
        _ options: BackupOptions, _ member: String, _ prefix: String, _ catalog: PointCatalog
    ) -> [String: SnapshotRequest.Base] {
        let key = definitionName(member)
        guard let point = catalog.newest(machine: options.machine, volume: key),
            let record = point.body.machines.first(where: { $0.name == member }),
            let snapshot = record.snapshot
        else { return [:] }
        var bases: [String: SnapshotRequest.Base] = [:]
        for name in record.volumes where name.hasPrefix(prefix) {
            guard let volume = point.body.volumes.first(where: { $0.name == name }) else {
                continue
            }
            bases[String(name.dropFirst(prefix.count))] = .init(
                snapshot: snapshot, size: volume.size)
        }
        return bases
    }

    private func captureDefinition(_ index: Int) throws(LifeboatError) {
        let machine = members[index].machine
        var definition = try machine.definition()
        for disk in definition.description.disks.indices {
            let name = definition.description.disks[disk].volume
            definition.description.disks[disk].volume = name.map { members[index].prefix + $0 }
        }
        let name = Self.definitionName(machine.name)
        var source = BackupOptions.Source(
            name: name, reader: BytesVolume(try DefinitionArchive.encode(definition), name: name))
        source.consistency = .application
        source.content = .definition
        definitions.append(source)
        members[index].record.definition = name
        if members[index].policy.quiesce == .stateless {
            members[index].record.consistency = .application
        }
    }

    /// Quiesces, starts all snapshots, lets the guests run on; returns the volumes to be read.
    func start() throws(LifeboatError) -> [BackupOptions.Source] {
        let running = members.indices.filter { members[$0].policy.quiesce != .stateless }
        if !running.isEmpty {
            events.tell(.started(stage: "quiescing", total: nil))
            let runner = QuiesceRunner(
                members: running.map { (members[$0].machine, members[$0].cyclePolicy) },
                guardian: options.guardian, events: events, cancellation: cancellation,
                group: options.machine, runDirectory: options.runDirectory)
            self.runner = runner
            let outcome = try runner.run()
            events.tell(.finished(stage: "quiescing"))
            skew = running.count > 1 ? outcome.skewMilliseconds : nil
            for (index, result) in zip(running, outcome.members) { take(result, index) }
            for index in running {
                if let failure = members[index].outcome?.failure { throw failure }
            }
        }
        var sources: [BackupOptions.Source] = []
        for index in running { sources += try openVolumes(index) }
        return sources + definitions
    }

    private func take(_ outcome: QuiesceOutcome, _ index: Int) {
        members[index].outcome = outcome
        let own = members[index].machine.reachedLevel
        members[index].record.consistency = outcome.level.map { max($0, own ?? $0) } ?? .none
        members[index].record.reasons = outcome.reasons
        members[index].record.freezeWindow = outcome.windowMilliseconds
        members[index].record.hadDeadMan = outcome.isDeadManArmed
        members[index].record.snapshot = members[index].request.snapshot
        for reason in outcome.reasons {
            events.tell(.warning("\(members[index].machine.name): \(reason)"))
        }
    }

    private func openVolumes(_ index: Int) throws(LifeboatError) -> [BackupOptions.Source] {
        let member = members[index]
        var sources: [BackupOptions.Source] = []
        for volume in try member.machine.openVolumes() {
            let name = member.prefix + volume.name
            var source = BackupOptions.Source(name: name, reader: volume.reader)
            source.changes = volume.changes
            source.consistency = member.record.consistency
            sources.append(source)
            members[index].record.volumes.append(name)
            for note in volume.notes {
                members[index].record.notes.append("\(volume.name): \(note)")
                events.tell(.note("\(name): \(note)"))
            }
        }
        return sources
    }

    /// What the point says of the machines; a live source that is no snapshot lowers their level.
    func records(_ volumes: [PointBody.Volume]) -> [PointMachine] {
        members.map { member in
            var record = member.record
            let levels = volumes.filter { record.volumes.contains($0.name) }.map(\.consistency)
            if let weakest = levels.min() { record.consistency = min(record.consistency, weakest) }
            return record
        }
    }

    /// Ends all snapshots and runs the hooks for the end; returns what could not be cleaned up.
    func end(isDurable: Bool) -> [String] {
        var warnings: [String] = []
        for index in members.indices where members[index].isStarted {
            members[index].isStarted = false
            let name = members[index].machine.name
            warnings += members[index].machine.finish(isDurable: isDurable).map { "\(name): \($0)" }
        }
        // What could not be ended here is left to the guardian, which sees the end of its pipe.
        if warnings.isEmpty { runner?.finish() }
        runner = nil
        for member in members {
            let moment: HostHook.Moment = isDurable ? .afterBackup : .onFailure
            warnings += Self.runHooks(member.policy.hooks, moment, member.machine.name, options)
        }
        for warning in warnings { events.tell(.warning(warning)) }
        members = []
        return warnings
    }

    /// Runs the hooks of the end, whose failure changes nothing any more; returns what failed.
    private static func runHooks(
        _ hooks: [HostHook], _ moment: HostHook.Moment, _ machine: String, _ options: BackupOptions
    ) -> [String] {
        var warnings: [String] = []
        for hook in hooks where hook.moment == moment {
            do throws(LifeboatError) {
                try hook.run(machine: machine, group: options.machine)
            } catch {
                warnings.append("\(machine): the hook \(moment.rawValue): \(error.description)")
            }
        }
        return warnings
    }
}
