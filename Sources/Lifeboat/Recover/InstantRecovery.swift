import LifeboatArchive
import LifeboatCore
import LifeboatFormat
import LifeboatMachine
import LifeboatSystem
import LifeboatVolume

/// The server of a point as an instant recovery needs it.
///
/// Safe from many threads.
final class InstantPointServer: InstantServer {
    private let options: ServeOptions
    /// Whom emulators run as: they must be able to connect.
    private let owner: HostOffer.Owner?
    private let server = Guarded<PointServer?>(nil)
    /// What came of a start beside other work.
    private let begun = Guarded<(thread: Threads.Handle, fault: Guarded<LifeboatError?>)?>(nil)

    init(
        _ access: RepositoryAccess, point: Digest, socket: String, memory: UInt64,
        owner: HostOffer.Owner?
    ) {
        self.owner = owner
        var options = ServeOptions(access: access, point: point.hex)
        options.place = .socket(path: socket)
        options.memory = memory
        options.pidFile = socket + ".pid"
        self.options = options
    }

    /// Starts it beside other work; `start` waits for it then.
    func begin() {
        let fault = Guarded<LifeboatError?>(nil)
        let thread = Threads.start(name: "serve") { [self] in
            do throws(LifeboatError) {
                try startNow()
            } catch {
                fault.withLock { $0 = error }
            }
        }
        begun.withLock { $0 = (thread, fault) }
    }

    var isAnswering: Bool { server.withLock { $0 }?.isAnswering ?? false }

    func start() throws(LifeboatError) {
        let begun = begun.withLock { begun in
            defer { begun = nil }
            return begun
        }
        guard let begun else { return try startNow() }
        begun.thread.join()
        if let fault = begun.fault.withLock({ $0 }) { throw fault }
    }

    private func startNow() throws(LifeboatError) {
        server.withLock { $0 }?.stop()
        // One whose keeper was killed may linger: it serves who is connected, with errors only.
        if let path = options.pidFile { PointServer.stop(pidFile: path) }
        let new = try PointServer.start(options)
        server.withLock { $0 = new }
        if let owner, let path = new.socketPath {
            try Files.setOwner(path, user: owner.user, group: owner.group)
        }
    }

    func stop() {
        settle()
        server.withLock { $0 }?.stop()
        if let path = options.pidFile, Files.exists(path) { try? Files.remove(path) }
    }

    /// Waits for a start that is under way.
    private func settle() {
        let begun = begun.withLock { begun in
            defer { begun = nil }
            return begun
        }
        begun?.thread.join()
    }
}

/// What an instant recovery has from its beginning.
struct InstantBeginning {
    let session: String
    let socket: String
    let server: InstantPointServer

    /// Starts to serve while the rest is being planned: that touches nothing.
    init(_ source: RecoverySource, owner: HostOffer.Owner?) throws(LifeboatError) {
        session = String(Identifier.random().hex.prefix(8))
        socket = try InstantSession.socket(session)
        server = InstantPointServer(
            source.operations.access, point: source.point.id, socket: socket,
            memory: source.options.memory, owner: owner)
        server.begin()
    }
}

extension MachineRecovery {
    /// Lets machines run at once, and copies their disks while they do.
    func runInstantly(
        _ plans: [RecoveryPlan], _ beginning: InstantBeginning
    ) throws(LifeboatError) -> [RecoverResult.Machine] {
        let operations = source.operations
        let directories = source.repository.directories
        var record = InstantRecord(
            session: beginning.session, point: source.point.id, uri: source.options.uri,
            socket: beginning.socket, machines: [])
        var results = plans.map(\.result)
        for index in results.indices {
            results[index].phases["planned"] = Clock.monotonicSeconds() - start
        }
        let server = beginning.server
        let lock: File
        do throws(LifeboatError) {
            try server.start()
            for index in results.indices {
                results[index].phases["served"] = Clock.monotonicSeconds() - start
            }
            for plan in plans { record.machines.append(try InstantSession.record(plan)) }
            try record.write(directories)
            lock = try InstantSession.lock(record, directories)
        } catch {
            server.stop()
            InstantSession.remove(record, directories)
            throw error
        }
        let made = plans.map { _ in MadeThings(source, connection) }
        do throws(LifeboatError) {
            for (index, plan) in plans.enumerated() {
                for disk in plan.disks {
                    made[index].files.append(disk.path)
                    try ImageTool.createNew(
                        disk.path, format: .qcow2, size: disk.volume.size,
                        backing: InstantSession.uri(record.socket, disk.volume.name))
                }
                var recipe = plan.recipe
                for disk in plan.disks {
                    recipe.images[disk.target]?.backing = .init(
                        socket: record.socket, export: disk.volume.name)
                }
                let xml = try recipe.apply(to: plan.source.domain).xml
                try make(plan, xml, made[index], &results[index])
            }
        } catch {
            var told = error
            for things in made { told = things.takeBack(after: told) }
            server.stop()
            InstantSession.remove(record, directories)
            throw told
        }
        let keeper = InstantSession(
            record, server, connection, directories, events: operations.events,
            cancellation: operations.cancellation, lock: lock)
        try keeper.run(source.options, plans.map(\.source.definition), &results, start: start)
        return results
    }
}
