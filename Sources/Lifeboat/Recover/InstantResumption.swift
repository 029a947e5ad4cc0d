import LifeboatArchive
public import LifeboatCore
import LifeboatMachine
import LifeboatSystem

extension Operations {
    /// Goes on with a session of instant recovery whose process died; with the only one when
    /// `session` is empty.
    public func resumeInstantRecovery(
        _ session: String, _ options: RecoverOptions
    ) throws(LifeboatError) -> RecoverResult {
        let repository = try openRepository(readsOnly: true)
        _ = try repository.requireRecovery()
        let directories = repository.directories
        let all = try InstantRecord.all(directories)
        guard
            let record = session.isEmpty && all.count == 1
                ? all[0] : all.first(where: { $0.session == session })
        else {
            throw LifeboatError(
                .missing, "there is no session \(session)", subject: session,
                advice: all.isEmpty
                    ? "no session waits to be gone on with"
                    : "these wait: " + all.map(\.session).joined(separator: ", "))
        }
        return try goOn(record, options, directories)
    }

    /// Goes on with a session.
    func goOn(
        _ record: InstantRecord, _ options: RecoverOptions, _ directories: LocalDirectories
    ) throws(LifeboatError) -> RecoverResult {
        let start = Clock.monotonicSeconds()
        let lock = try InstantSession.lock(record, directories)
        let connection = try LibvirtConnection(uri: record.uri)
        var domains: [LibvirtDomain] = []
        for machine in record.machines {
            do throws(LifeboatError) {
                domains.append(try connection.domain(uuid: machine.uuid))
            } catch {
                guard error.code == .missing else { throw error }
                InstantSession.remove(record, directories)
                throw LifeboatError(
                    .missing, "machine \(machine.name) of session \(record.session) is not here",
                    subject: machine.name,
                    advice: "the session is given up; these files stay, and are of no use: "
                        + record.machines.flatMap(\.disks).map(\.path).joined(separator: ", "))
            }
        }
        var results: [RecoverResult.Machine] = []
        let server = InstantPointServer(
            access, point: record.point, socket: record.socket, memory: options.memory,
            owner: try connection.hostOffer().emulatorOwner)
        try server.start()
        for (machine, domain) in zip(record.machines, domains) {
            var result = RecoverResult.Machine(
                original: machine.original, name: machine.name, uuid: machine.uuid)
            do throws(LifeboatError) {
                // After a crash of the host they do not run.
                if try !domain.isActive() { try domain.start() }
            } catch {
                server.stop()
                throw error
            }
            result.state = "running"
            results.append(result)
        }
        let keeper = InstantSession(
            record, server, connection, directories, events: events, cancellation: cancellation,
            lock: lock)
        try keeper.run(options, [], &results, start: start)
        var result = RecoverResult(point: record.point, machines: results)
        result.durationSeconds = Clock.monotonicSeconds() - start
        return result
    }
}
