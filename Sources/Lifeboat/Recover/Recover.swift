import LifeboatArchive
public import LifeboatCore
import LifeboatMachine
import LifeboatSystem
import LifeboatVolume

extension Operations {
    /// Brings machines of a point back on a libvirt host.
    ///
    /// - Throws: `.refused` with everything that is missing or in the way, before anything is
    ///   touched.
    public func recover(_ options: RecoverOptions) throws(LifeboatError) -> RecoverResult {
        let start = Clock.monotonicSeconds()
        let source = try RecoverySource(self, options)
        let connection = try LibvirtConnection(uri: options.uri)
        var result: RecoverResult
        if options.isInPlace {
            result = try InPlaceRecovery(source, connection).run()
        } else if let record = try InstantSession.waiting(source) {
            events.tell(.note("going on with session \(record.session)"))
            return try goOn(record, options, source.repository.directories)
        } else {
            var planner = try RecoveryPlanner(source, connection)
            let beginning =
                options.isInstant && !options.isDryRun
                ? try InstantBeginning(source, owner: planner.offer.emulatorOwner) : nil
            var isTakenOver = false
            defer { if !isTakenOver { beginning?.server.stop() } }
            let plans = try planner.plans()
            let obstacles =
                planner.obstacles
                + plans.flatMap { plan in plan.obstacles.map { "\(plan.name): \($0)" } }
            result = RecoverResult(point: source.point.id, machines: plans.map(\.result))
            result.obstacles = obstacles
            result.isDryRun = options.isDryRun
            if !options.isDryRun {
                try Self.refuse(obstacles)
                for warning in plans.flatMap({ plan in plan.warnings.map { "\(plan.name): \($0)" } }
                ) {
                    events.tell(.warning(warning))
                }
                let run = MachineRecovery(source, connection, start: start)
                isTakenOver = true
                result.machines =
                    if let beginning {
                        try run.runInstantly(plans, beginning)
                    } else {
                        try run.run(plans)
                    }
            }
        }
        result.durationSeconds = Clock.monotonicSeconds() - start
        return result
    }

    /// One error that tells of everything.
    static func refuse(_ obstacles: [String]) throws(LifeboatError) {
        guard !obstacles.isEmpty else { return }
        let list =
            obstacles.count == 1
            ? obstacles[0]
            : obstacles.enumerated().map { "(\($0.offset + 1)) \($0.element)" }
                .joined(separator: "; ")
        throw LifeboatError(
            .refused, "the recovery cannot be done as asked, and nothing was touched: \(list)")
    }
}

/// Makes planned machines, and takes back what it made where that fails.
struct MachineRecovery {
    let source: RecoverySource
    let connection: LibvirtConnection
    /// When the command began.
    let start: Double

    init(_ source: RecoverySource, _ connection: LibvirtConnection, start: Double) {
        self.source = source
        self.connection = connection
        self.start = start
    }

    private var options: RecoverOptions { source.options }

    /// Makes one machine after the other; where there are several, one that fails does not keep the
    /// others from being made.
    ///
    /// - Throws: what failed where nothing was made, and `.cancelled` with what was.
    func run(_ plans: [RecoveryPlan]) throws(LifeboatError) -> [RecoverResult.Machine] {
        var results = plans.map(\.result)
        for index in plans.indices {
            results[index].phases["planned"] = Clock.monotonicSeconds() - start
            do throws(LifeboatError) {
                try makeAnew(plans[index], &results[index])
            } catch {
                try note(error, of: index, &results)
                results[index].state = "failed"
            }
        }
        if let first = results.first?.fault, results.allSatisfy({ $0.fault != nil }) {
            throw first
        }
        for index in plans.indices where options.starts && results[index].fault == nil {
            do throws(LifeboatError) {
                try check(plans[index], &results[index])
            } catch {
                try note(error, of: index, &results)
            }
        }
        return results
    }

    private func makeAnew(
        _ plan: RecoveryPlan, _ result: inout RecoverResult.Machine
    ) throws(LifeboatError) {
        let made = MadeThings(source, connection)
        do throws(LifeboatError) {
            for disk in plan.disks {
                let image = ImageRestore(
                    source: source, volume: disk.volume, path: disk.path,
                    format: options.format == .raw ? .raw : .qcow2)
                if options.resumes, Files.exists(disk.path) {
                    try image.expectWhole()
                    continue
                }
                made.images.append(image)
                result.volumes.append(try image.makeNew())
            }
            try make(plan, try plan.definition(), made, &result)
        } catch {
            throw made.takeBack(after: error)
        }
    }

    /// Keeps what is wrong with one of several machines.
    ///
    /// - Throws: it, where it ends the run: there is but one machine, or somebody interrupted it.
    private func note(
        _ fault: LifeboatError, of index: Int, _ results: inout [RecoverResult.Machine]
    ) throws(LifeboatError) {
        guard results.count > 1 else { throw fault }
        guard fault.code != .cancelled else {
            let finished = results.filter { $0.state != "planned" && $0.fault == nil }
                .map { "\($0.name) is \($0.state)" }
            guard !finished.isEmpty else { throw fault }
            throw LifeboatError(
                .cancelled, fault.message, subject: fault.subject, cause: fault.cause,
                advice: [fault.advice, finished.joined(separator: ", "), "name only the others"]
                    .compactMap { $0 }.joined(separator: "; "))
        }
        results[index].fault = fault
        source.operations.events.tell(
            .warning("\(results[index].name): \(fault.description)"))
    }

    /// Puts its files in place, defines it, and starts it where that is asked for.
    func make(
        _ plan: RecoveryPlan, _ xml: String, _ made: MadeThings,
        _ result: inout RecoverResult.Machine
    ) throws(LifeboatError) {
        for file in plan.files {
            if options.resumes, let present = try? Files.readWhole(file.path, limit: 1 << 30),
                present == file.bytes
            {
                continue
            }
            try Files.writeAtomically(file.path, file.bytes, replace: false)
            made.files.append(file.path)
        }
        made.replaced = plan.replaced
        try plan.replaced?.prepare()
        if let tpm = plan.tpm { try unpack(tpm, made) }
        if case .pool(let name) = options.place { try connection.refreshStoragePool(name: name) }
        let domain = try connection.defineDomain(xml: xml)
        made.domain = domain
        try plan.replaced?.giveWay()
        result.state = "defined"
        guard options.starts || options.isInstant else { return }
        do throws(LifeboatError) {
            try domain.start()
        } catch {
            throw LifeboatError(
                error.code, error.message, subject: error.subject, cause: error.cause,
                advice: "recover it without --start to have it defined, and look what it lacks")
        }
        made.isStarted = true
        result.state = "running"
        result.phases["started"] = Clock.monotonicSeconds() - start
    }

    func check(
        _ plan: RecoveryPlan, _ result: inout RecoverResult.Machine
    ) throws(LifeboatError) {
        guard !options.checks.isEmpty else { return }
        let domain = try connection.domain(uuid: plan.uuid)
        let checks = RecoveryChecks(
            domain, known: plan.source.definition.description.interfaces.flatMap(\.addresses),
            seconds: options.checkSeconds, cancellation: source.operations.cancellation)
        result.checks = try checks.run(options.checks)
        if result.checks.allSatisfy(\.isPassed) {
            result.phases["ready"] = Clock.monotonicSeconds() - start
        }
    }

    private func unpack(
        _ tpm: RecoveryPlan.NewFile, _ made: MadeThings
    ) throws(LifeboatError) {
        guard !Files.exists(tpm.path) else {
            throw LifeboatError(.exists, "there is a TPM's state already", subject: tpm.path)
        }
        // The emulator of TPMs runs as a user of its own, and must get through.
        try Files.makeDirectories(tpm.path, mode: 0o711)
        made.folders.append(tpm.path)
        var launch = ChildProcess.Launch([
            "tar", "--extract", "--no-same-owner", "--directory", tpm.path,
        ])
        launch.input = tpm.bytes
        let result = try ChildProcess.run(launch, timeoutSeconds: 60)
        guard result.isSuccess else {
            throw LifeboatError(
                .damaged, "the TPM's state cannot be unpacked", subject: tpm.path,
                cause: result.lastWords)
        }
    }
}

/// What a recovery has made so far.
final class MadeThings {
    var images: [ImageRestore] = []
    var files: [String] = []
    var folders: [String] = []
    var domain: LibvirtDomain?
    var isStarted = false
    /// What gives way, or has.
    var replaced: ReplacedDomain?
    private let source: RecoverySource
    private let connection: LibvirtConnection

    init(_ source: RecoverySource, _ connection: LibvirtConnection) {
        self.source = source
        self.connection = connection
    }

    /// Removes it all, unless the recovery can be gone on with; returns the error to tell.
    func takeBack(after error: LifeboatError) -> LifeboatError {
        if let domain {
            if isStarted { try? domain.destroy() }
            if replaced == nil { try? domain.undefine([.checkpointMetadata, .keepsVariables]) }
        }
        for folder in folders { try? Files.removeTree(folder) }
        for path in files where Files.exists(path) { try? Files.remove(path) }
        var advice = [error.advice, replaced?.putBack(connection)]
        let goesOn: Set<LifeboatError.Code> = [.cancelled, .unavailable, .damaged, .suspended]
        if goesOn.contains(error.code), domain == nil, !images.isEmpty {
            advice.append("what was written of its disks stays: go on with --resume")
        } else {
            for image in images { image.discard() }
        }
        if case .pool(let name) = source.options.place {
            try? connection.refreshStoragePool(name: name)
        }
        let told = advice.compactMap { $0 }.joined(separator: "; ")
        return LifeboatError(
            error.code, error.message, subject: error.subject, cause: error.cause,
            advice: told.isEmpty ? nil : told)
    }
}
