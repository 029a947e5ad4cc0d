import LifeboatArchive
import LifeboatCore
import LifeboatFormat
import LifeboatMachine
import LifeboatSystem
import LifeboatVolume

/// A session of instant recovery: from the machines' start until their disks are whole.
final class InstantSession {
    private var record: InstantRecord
    private let server: any InstantServer
    private let connection: LibvirtConnection
    private let directories: LocalDirectories
    private let events: any EventSink
    private let cancellation: Cancellation
    /// Says that somebody looks after the session.
    private let lock: File

    /// Copying begins when the machines are ready, or so many seconds after they were started.
    private static let readySeconds = 60.0
    private static let pause = 0.25

    init(
        _ record: InstantRecord, _ server: any InstantServer, _ connection: LibvirtConnection,
        _ directories: LocalDirectories, events: any EventSink, cancellation: Cancellation,
        lock: File
    ) {
        self.record = record
        self.server = server
        self.connection = connection
        self.directories = directories
        self.events = events
        self.cancellation = cancellation
        self.lock = lock
    }

    /// Checks the machines, copies their disks, and ends what serves them.
    ///
    /// - Throws: `.cancelled` with how to go on; the machines stand still then at their next read.
    func run(
        _ options: RecoverOptions, _ definitions: [MachineDefinition],
        _ results: inout [RecoverResult.Machine], start: Double
    ) throws(LifeboatError) {
        defer { lock.unlock() }
        do throws(LifeboatError) {
            record.keeper = Files.linkTarget("/proc/self").flatMap { Int32($0) } ?? 0
            record.log = options.keeperLog
            try record.write(directories)
            try keep(options, definitions, &results, start: start)
            try complete()
        } catch {
            server.stop()
            throw LifeboatError(
                error.code, error.message, subject: error.subject, cause: error.cause,
                advice: [
                    error.advice,
                    "the machines stand still until it goes on: lifeboat recover --resume-session "
                        + record.session,
                ].compactMap { $0 }.joined(separator: "; "))
        }
        server.stop()
        Self.remove(record, directories)
        for index in results.indices {
            results[index].phases["pulled"] = Clock.monotonicSeconds() - start
        }
    }

    private func keep(
        _ options: RecoverOptions, _ definitions: [MachineDefinition],
        _ results: inout [RecoverResult.Machine], start: Double
    ) throws(LifeboatError) {
        var guests: [any InstantGuest] = []
        var domains: [LibvirtDomain] = []
        for machine in record.machines {
            let domain = try connection.domain(uuid: machine.uuid)
            domains.append(domain)
            guests.append(InstantDomain(domain))
        }
        let keeper = InstantKeeper(
            guests, server,
            disks: record.machines.flatMap { machine in
                machine.disks.map {
                    .init(machine: machine.name, target: $0.target, size: $0.size)
                }
            }, events: events)
        let checks = options.checks.isEmpty ? [RecoveryCheck.agent] : options.checks
        let checkers = domains.indices.map { index in
            RecoveryChecks(
                domains[index],
                known: definitions.indices.contains(index)
                    ? definitions[index].description.interfaces.flatMap(\.addresses) : [],
                seconds: options.checks.isEmpty ? Self.readySeconds : options.checkSeconds,
                cancellation: cancellation)
        }
        // The checks run beside the keeper: one that dies meanwhile must not hold them up.
        let found = Guarded<[Int: [RecoveryCheckResult]]>([:])
        for index in checkers.indices {
            let checker = checkers[index]
            _ = Threads.start(name: "checks") {
                let results = (try? checker.run(checks)) ?? []
                found.withLock { $0[index] = results }
            }
        }
        var open = Set(checkers.indices)
        while !keeper.isDone || !open.isEmpty {
            try cancellation.check()
            try keeper.step(pulls: open.isEmpty)
            for index in open.sorted() {
                guard let outcome = found.withLock({ $0[index] }) else { continue }
                open.remove(index)
                guard results.indices.contains(index) else { continue }
                if !options.checks.isEmpty { results[index].checks = outcome }
                if !outcome.isEmpty, outcome.allSatisfy(\.isPassed) {
                    let seconds = Clock.monotonicSeconds() - start
                    results[index].phases["ready"] = seconds
                    events.tell(.note("\(record.machines[index].name) is ready"))
                }
            }
            Threads.sleep(seconds: Self.pause)
        }
    }

    /// Finds out whether the disks are whole, and gives the machines their lasting definitions.
    private func complete() throws(LifeboatError) {
        for machine in record.machines {
            for disk in machine.disks {
                let information = try ImageTool.information(
                    disk.path, format: ImageFormat.qcow2.rawValue)
                if let backing = information.backing {
                    throw LifeboatError(
                        .internalFault, "disk \(disk.target) still needs \(backing)",
                        subject: disk.path)
                }
            }
            _ = try connection.defineDomain(xml: machine.xml)
        }
    }

    // MARK: what belongs to a session

    /// Sockets live here, whatever the state directory is called: their paths must be short.
    static func socket(_ session: String) throws(LifeboatError) -> String {
        let base = Files.isDirectory("/run") ? "/run/lifeboat" : "/tmp/lifeboat"
        do throws(LifeboatError) {
            // Emulators, which need not run as root, must get through.
            try Files.makeDirectories(base, mode: 0o711)
        } catch {
            return "/tmp/lifeboat-\(session)/nbd"
        }
        return "\(base)/instant-\(session)"
    }

    /// How QEMU names one of the server's exports.
    static func uri(_ socket: String, _ export: String) -> String {
        NBDAddress.local(export: export, socket: socket)
    }

    static func record(_ plan: RecoveryPlan) throws(LifeboatError) -> InstantRecord.Machine {
        InstantRecord.Machine(
            original: plan.source.record.name, name: plan.name, uuid: plan.uuid,
            xml: try plan.definition(),
            disks: plan.disks.map {
                .init(target: $0.target, path: $0.path, size: $0.volume.size)
            })
    }

    /// - Throws: `.refused` when another process looks after the session.
    static func lock(
        _ record: InstantRecord, _ directories: LocalDirectories
    ) throws(LifeboatError) -> File {
        let path = InstantRecord.folder(directories) + "/\(record.session).lock"
        let file = try File(
            path: path, access: Files.exists(path) ? .readWrite : .createNew)
        guard try file.lock(exclusive: true, wait: false) else {
            throw LifeboatError(
                .refused, "another process looks after session \(record.session)",
                subject: record.session)
        }
        return file
    }

    /// Whether a process looks after the session.
    static func isLocked(_ record: InstantRecord, _ directories: LocalDirectories) -> Bool {
        let path = InstantRecord.folder(directories) + "/\(record.session).lock"
        // Shared, and for a moment only.
        guard let file = try? File(path: path, access: .read),
            (try? file.lock(exclusive: false, wait: false)) == true
        else { return Files.exists(path) }
        file.unlock()
        return false
    }

    /// The session that the same command began, and nobody looks after.
    static func waiting(_ source: RecoverySource) throws(LifeboatError) -> InstantRecord? {
        let options = source.options
        guard options.isInstant, !options.isDryRun else { return nil }
        let known = source.point.body.machines.map(\.name)
            .filter { options.machines.isEmpty || options.machines.contains($0) }
        let wanted = Set(known.map { options.names[$0] ?? $0 })
        return try InstantRecord.all(source.repository.directories).first {
            $0.point == source.point.id && $0.uri == options.uri
                && Set($0.machines.map(\.name)) == wanted
        }
    }

    static func remove(_ record: InstantRecord, _ directories: LocalDirectories) {
        let lock = InstantRecord.folder(directories) + "/\(record.session).lock"
        for path in [record.path(directories), lock] where Files.exists(path) {
            try? Files.remove(path)
        }
    }
}
