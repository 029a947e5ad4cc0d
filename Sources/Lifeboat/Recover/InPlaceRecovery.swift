import LifeboatArchive
import LifeboatCore
import LifeboatFormat
import LifeboatMachine
import LifeboatSystem
import LifeboatVolume

/// Rolls the disks of machines that are there back to what a point holds.
struct InPlaceRecovery {
    /// One machine and its disks.
    struct Plan {
        let name: String
        let original: String
        var domain: LibvirtDomain?
        var disks: [(target: String, volume: PointBody.Volume, path: String, format: ImageFormat)] =
            []
        var obstacles: [String] = []
    }

    private let source: RecoverySource
    private let connection: LibvirtConnection

    /// What names of our checkpoints and bitmaps begin with.
    static let ownPrefix = "lifeboat-"

    init(_ source: RecoverySource, _ connection: LibvirtConnection) {
        self.source = source
        self.connection = connection
    }

    func run() throws(LifeboatError) -> RecoverResult {
        var plans: [Plan] = []
        for machine in try source.machines() { plans.append(try plan(machine)) }
        var result = RecoverResult(point: source.point.id, machines: [])
        result.isDryRun = source.options.isDryRun
        result.obstacles =
            (RecoveryPlanner.elsewhere(connection).map { [$0] } ?? [])
            + plans.flatMap { plan in plan.obstacles.map { "\(plan.name): \($0)" } }
        if source.options.isDryRun {
            result.machines = plans.map {
                .init(original: $0.original, name: $0.name, uuid: $0.domain?.uuid ?? "")
            }
            return result
        }
        try Operations.refuse(result.obstacles)
        for plan in plans {
            if let domain = plan.domain { result.machines.append(try rollBack(plan, domain)) }
        }
        return result
    }

    private func plan(_ machine: RecoverySource.Machine) throws(LifeboatError) -> Plan {
        let options = source.options
        let original = machine.record.name
        let name = options.names[original] ?? machine.definition.description.name
        var plan = Plan(name: name, original: original)
        guard let domain = try connection.domains().first(where: { $0.name == name }) else {
            plan.obstacles.append("there is no such domain here: recover it without --in-place")
            return plan
        }
        plan.domain = domain
        if try domain.isActive() {
            plan.obstacles.append("it runs: shut it down first")
            return plan
        }
        if try domain.hasManagedSave() {
            plan.obstacles.append(
                "its memory was saved, and would not fit its disks: remove that with virsh "
                    + "managedsave-remove")
        }
        let devices = XMLTree.parse(try domain.xml(.inactive))?["devices"]
        for disk in machine.definition.description.disks
        where options.wants(disk.name, of: original) {
            guard let volumeName = disk.volume else { continue }
            let volume = try source.volume(volumeName)
            let present = devices?.all("disk").first {
                $0["target"]?.attribute("dev") == disk.name
            }
            guard let path = present?["source"].flatMap(place) else {
                plan.obstacles.append("it has no disk \(disk.name) in a file or device")
                continue
            }
            guard Files.exists(path) else {
                plan.obstacles.append("\(path) of disk \(disk.name) is not here")
                continue
            }
            let format = ImageFormat(
                rawValue: present?["driver"]?.attribute("type") ?? "raw")
            guard let format, format == .raw || format == .qcow2 else {
                plan.obstacles.append("disk \(disk.name) is neither raw nor qcow2")
                continue
            }
            let information = try ImageTool.information(path, format: format.rawValue)
            if information.size != volume.size {
                plan.obstacles.append(
                    "disk \(disk.name) has \(information.size) bytes, and the point "
                        + "\(volume.size)")
            }
            plan.disks.append((disk.name, volume, path, format))
        }
        if plan.disks.isEmpty, plan.obstacles.isEmpty {
            plan.obstacles.append("none of its disks is asked for")
        }
        return plan
    }

    /// Where a disk is: a file or device, or a volume of a storage pool that is one.
    private func place(_ source: XMLTree) -> String? {
        if let pool = source.attribute("pool"), let volume = source.attribute("volume") {
            return try? connection.volumePath(pool: pool, volume: volume)
        }
        return source.attribute("file") ?? source.attribute("dev")
    }

    private func rollBack(
        _ plan: Plan, _ domain: LibvirtDomain
    ) throws(LifeboatError) -> RecoverResult.Machine {
        var result = RecoverResult.Machine(
            original: plan.original, name: plan.name, uuid: domain.uuid)
        // First what would vouch for contents that are about to change.
        for checkpoint in try domain.checkpoints().reversed() {
            if checkpoint.name.hasPrefix(Self.ownPrefix) {
                try domain.deleteCheckpoint(checkpoint, onlyMetadata: true)
            } else {
                result.warnings.append(
                    "checkpoint \(checkpoint.name) of another program stays: have it make a full "
                        + "backup next")
            }
        }
        for disk in plan.disks {
            if disk.format == .qcow2 {
                for bitmap in try ImageTool.information(
                    disk.path, format: ImageFormat.qcow2.rawValue
                ).bitmaps
                where bitmap.name.hasPrefix(Self.ownPrefix) {
                    try ImageTool.removeBitmap(bitmap.name, of: disk.path)
                }
            }
            let image = ImageRestore(
                source: source, volume: disk.volume, path: disk.path, format: disk.format)
            do throws(LifeboatError) {
                result.volumes.append(try image.rollBack())
            } catch {
                throw LifeboatError(
                    error.code, error.message, subject: error.subject, cause: error.cause,
                    advice: [
                        error.advice,
                        "disk \(disk.target) is neither old nor new now: do not start the machine, "
                            + "and run the same command again with --resume",
                    ].compactMap { $0 }.joined(separator: "; "))
            }
        }
        result.state = "rolled back"
        if source.options.starts {
            try domain.start()
            result.state = "running"
            if !source.options.checks.isEmpty {
                let checks = RecoveryChecks(
                    domain, known: [], seconds: source.options.checkSeconds,
                    cancellation: source.operations.cancellation)
                result.checks = try checks.run(source.options.checks)
            }
        }
        return result
    }
}
