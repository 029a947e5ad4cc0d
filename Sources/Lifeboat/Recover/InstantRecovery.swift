import LifeboatArchive
import LifeboatCore
import LifeboatFormat
import LifeboatMachine
import LifeboatSystem
import LifeboatVolume

/// The server of a point as an instant recovery needs it.
final class InstantPointServer: InstantServer {
    private let options: ServeOptions
    private let server = Guarded<PointServer?>(nil)

    init(_ access: RepositoryAccess, point: Digest, socket: String, memory: UInt64) {
        var options = ServeOptions(access: access, point: point.hex)
        options.place = .socket(path: socket)
        options.memory = memory
        self.options = options
    }

    var isAnswering: Bool { server.withLock { $0 }?.isAnswering ?? false }

    func start() throws(LifeboatError) {
        server.withLock { $0 }?.stop()
        let new = try PointServer.start(options)
        server.withLock { $0 = new }
    }

    func stop() {
        server.withLock { $0 }?.stop()
    }
}

extension MachineRecovery {
    /// Lets machines run at once, and copies their disks while they do.
    func runInstantly(_ plans: [RecoveryPlan]) throws(LifeboatError) -> [RecoverResult.Machine] {
        let operations = source.operations
        let directories = source.repository.directories
        let session = String(Identifier.random().hex.prefix(8))
        var record = InstantRecord(
            session: session, point: source.point.id, uri: source.options.uri,
            socket: try InstantSession.socket(session), machines: [])
        var results = plans.map(\.result)
        for index in results.indices {
            results[index].phases["planned"] = Clock.monotonicSeconds() - start
        }
        let server = InstantPointServer(
            operations.access, point: source.point.id, socket: record.socket,
            memory: source.options.memory)
        let lock: File
        do throws(LifeboatError) {
            try server.start()
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
                    try QEMUImage.create(
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
