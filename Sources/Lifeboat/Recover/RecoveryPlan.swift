import LifeboatCore
import LifeboatFormat
import LifeboatMachine
import LifeboatSystem
import LifeboatVolume

/// How one machine is to be made anew on a host, decided before anything is touched.
struct RecoveryPlan {
    /// One of its disks.
    struct Disk {
        /// The target device, such as `vda`.
        let target: String
        let volume: PointBody.Volume
        let path: String
    }

    /// A file of the definition, and where it is put.
    struct NewFile {
        let path: String
        let bytes: [UInt8]
    }

    let source: RecoverySource.Machine
    let name: String
    let uuid: String
    var disks: [Disk]
    var files: [NewFile] = []
    /// The folder for the TPM's state, and the archive with it.
    var tpm: NewFile?
    var recipe: DomainRecipe
    var warnings: [String] = []
    var obstacles: [String] = []
    /// The domain whose definition gives way.
    var replaced: ReplacedDomain?

    /// The new definition.
    func definition() throws(LifeboatError) -> String {
        try recipe.apply(to: source.domain).xml
    }

    var result: RecoverResult.Machine {
        var result = RecoverResult.Machine(
            original: source.record.name, name: name, uuid: uuid)
        result.warnings = warnings
        return result
    }
}

/// Finds out how machines are to be made anew, and everything that is missing or in the way.
struct RecoveryPlanner {
    let source: RecoverySource
    let connection: LibvirtConnection
    let offer: HostOffer
    let directory: String?
    /// What is in the way of all machines.
    var obstacles: [String] = []
    private let domains: [LibvirtDomain]

    private var options: RecoverOptions { source.options }

    init(_ source: RecoverySource, _ connection: LibvirtConnection) throws(LifeboatError) {
        self.source = source
        self.connection = connection
        offer = try connection.hostOffer()
        domains = try connection.domains()
        switch source.options.place {
        case .directory(let path):
            directory = Self.wholePath(path)
            if !Files.isDirectory(path) { obstacles.append("there is no directory \(path)") }
        case .pool(let name):
            (directory, obstacles) = Self.folder(of: name, try connection.storagePools())
        case nil:
            directory = nil
            obstacles.append("it is not said where new disks go: give --directory or --pool")
        }
        if let elsewhere = Self.elsewhere(connection) { obstacles.append(elsewhere) }
        if source.options.isInstant || source.options.format == .qcow2 {
            for program in ["qemu-img", "qemu-nbd"] where ChildProcess.find(program) == nil {
                obstacles.append("there is no program \(program): install qemu-utils")
            }
        }
    }

    /// What is said where the hypervisor is not on this host.
    static func elsewhere(_ connection: LibvirtConnection) -> String? {
        connection.isLocal
            ? nil
            : "the machines of \(connection.uri) are on another host: recover there, where their "
                + "disks are"
    }

    /// A storage pool's folder, or what is wrong with it.
    private static func folder(
        of name: String, _ pools: [LibvirtConnection.StoragePool]
    ) -> (path: String?, obstacles: [String]) {
        guard let pool = pools.first(where: { $0.name == name }) else {
            let names = pools.map(\.name).joined(separator: ", ")
            return (
                nil,
                [
                    "this host has no storage pool \(name)"
                        + (names.isEmpty ? "" : "; it has \(names)")
                ]
            )
        }
        // The folder of a pool of devices is no place for files: it is in memory.
        guard pool.isFolder, let path = pool.path else {
            return (
                nil,
                [
                    "storage pool \(name) is of the kind \(pool.kind), and new disks are files: "
                        + "name one of the kind dir, fs or netfs, or a folder with --directory"
                ]
            )
        }
        guard pool.isActive else {
            return (
                nil,
                [
                    "storage pool \(name) is not active: "
                        + "`virsh pool-start \(ShellWord.quoted(name))`"
                ]
            )
        }
        guard Files.isDirectory(path) else {
            return (nil, ["\(path), the folder of storage pool \(name), is not there"])
        }
        return (path, [])
    }

    private static func wholePath(_ path: String) -> String { Files.realPath(path) ?? path }

    /// Plans all machines; their obstacles are those of the planner and of each plan.
    mutating func plans() throws(LifeboatError) -> [RecoveryPlan] {
        let machines = try source.machines()
        var plans: [RecoveryPlan] = []
        for machine in machines { plans.append(try plan(machine)) }
        for old in options.names.keys.sorted()
        where !machines.contains(where: { $0.record.name == old }) {
            obstacles.append("--rename names \(old), which is not among the machines")
        }
        let names = plans.map(\.name)
        for name in Set(names).sorted() where names.filter({ $0 == name }).count > 1 {
            obstacles.append("two machines would be called \(name)")
        }
        for disk in options.disks where !Self.isKnown(disk, plans) {
            obstacles.append("there is no disk \(disk) in the point")
        }
        try checkSpace(plans)
        return plans
    }

    private static func isKnown(_ disk: String, _ plans: [RecoveryPlan]) -> Bool {
        plans.contains { plan in
            plan.disks.contains {
                $0.target == disk || "\(plan.source.record.name)/\($0.target)" == disk
            }
        }
    }

    private func plan(_ machine: RecoverySource.Machine) throws(LifeboatError) -> RecoveryPlan {
        let record = machine.record
        let description = machine.definition.description
        let name = options.names[record.name] ?? description.name
        let folder = directory ?? "/"
        var images: [String: DomainRecipe.Image] = [:]
        var disks: [RecoveryPlan.Disk] = []
        var dropped: Set<String> = []
        for disk in description.disks {
            guard options.wants(disk.name, of: record.name) else {
                dropped.insert(disk.name)
                continue
            }
            guard let volume = disk.volume else { continue }
            let format = options.isInstant ? "qcow2" : options.format.rawValue
            let path = "\(folder)/\(name)-\(disk.name).\(format)"
            disks.append(
                .init(target: disk.name, volume: try source.volume(volume), path: path))
            images[disk.name] = .init(path: path, format: format)
        }
        var (uuid, notes, problems, replaced) = try identity(name, description.uuid, folder)
        let recipe = DomainRecipe(
            name: name, uuid: uuid, images: images, host: offer, fileExists: Files.exists)
        var plan = RecoveryPlan(
            source: machine, name: name, uuid: uuid, disks: disks, recipe: recipe)
        plan.replaced = replaced
        plan.recipe.droppedDisks = dropped
        plan.recipe.networks = options.networks
        if !options.keepsAddresses {
            plan.recipe.addresses = .new(seed: options.addressSeed ?? .random(in: 0 ... .max))
        }
        placeFiles(&plan, folder)
        let outcome = try plan.recipe.apply(to: machine.domain)
        notes += outcome.warnings
        problems += outcome.obstacles
        if let tpm = plan.tpm, replaced == nil, Files.exists(tpm.path) {
            problems.append("\(tpm.path), where the state of its TPM goes, exists: move it away")
        }
        let kept = replaced.map { [$0.file] } ?? []
        for path in disks.map(\.path) + plan.files.map(\.path) + kept {
            let partial = path + RestoreTarget.partialEnding
            if Files.exists(path), !options.resumes {
                problems.append("\(path) exists already")
            }
            if Files.exists(partial), !options.resumes {
                problems.append(
                    "an interrupted recovery left \(partial): go on with --resume, or remove it")
            }
        }
        if disks.isEmpty { notes.append("none of its disks is brought back") }
        let conflicts = try conflicts(outcome.xml, except: replaced?.domain)
        plan.warnings = notes + conflicts.warnings
        plan.obstacles = problems + conflicts.obstacles
        return plan
    }

    /// Its UUID here, and what is in the way of name and UUID.
    private func identity(
        _ name: String, _ old: String?, _ folder: String
    ) throws(LifeboatError) -> (
        uuid: String, notes: [String], problems: [String], replaced: ReplacedDomain?
    ) {
        if let present = domains.first(where: { $0.name == name }) {
            guard options.replaces else {
                return (
                    present.uuid, [],
                    [
                        "a domain \(name) exists already: give another name with --rename, or "
                            + "--replace for one that is shut off"
                    ], nil
                )
            }
            let replaced = ReplacedDomain(
                present, folder: folder, tpmDirectory: options.tpmDirectory)
            return (present.uuid, [replaced.note], try replaced.obstacles(), replaced)
        }
        guard let old, !old.isEmpty else { return (DomainRecipe.newUUID(), [], [], nil) }
        if let other = domains.first(where: { $0.uuid == old }) {
            return (
                DomainRecipe.newUUID(), ["domain \(other.name) has its UUID; it gets a new one"],
                [], nil
            )
        }
        return (old, [], [], nil)
    }

    private func placeFiles(_ plan: inout RecoveryPlan, _ folder: String) {
        let definition = plan.source.definition
        func place(_ key: String, _ ending: String) -> String? {
            guard let file = definition.description.files[key], let bytes = definition.files[file]
            else { return nil }
            let path = "\(folder)/\(plan.name)-\(ending)"
            plan.files.append(.init(path: path, bytes: bytes))
            return path
        }
        plan.recipe.files.variables = place("variables", "variables.fd")
        plan.recipe.files.kernel = place("kernel", "kernel")
        plan.recipe.files.initrd = place("initrd", "initrd")
        if let file = definition.description.files["tpm"], let bytes = definition.files[file] {
            plan.tpm = .init(path: options.tpmDirectory + "/" + plan.uuid, bytes: bytes)
            plan.recipe.files.hasTPM = true
        }
    }

    /// Other machines that would answer to the same hardware addresses.
    private func conflicts(
        _ xml: String, except replaced: LibvirtDomain?
    ) throws(LifeboatError) -> (warnings: [String], obstacles: [String]) {
        let own = NetworkPlace.all(in: xml)
        var warnings: [String] = []
        var obstacles: [String] = []
        for domain in domains where domain.uuid != replaced?.uuid {
            // One that goes away meanwhile is in nobody's way.
            guard let text = try? domain.xml() else { continue }
            for other in NetworkPlace.all(in: text) {
                guard let mine = own.first(where: { $0.mac == other.mac }) else { continue }
                let what = "domain \(domain.name) has the address \(other.mac)"
                if mine == other, (try? domain.isActive()) == true {
                    obstacles.append(
                        "\(what) and runs in the same network: give --new-mac, or another network")
                } else {
                    warnings.append("\(what) as well: do not bring them together in one network")
                }
            }
        }
        return (warnings, obstacles)
    }

    private mutating func checkSpace(_ plans: [RecoveryPlan]) throws(LifeboatError) {
        guard let directory, let available = Files.availableBytes(directory) else { return }
        var needed: UInt64 = 0
        for disk in plans.flatMap(\.disks) where !Files.exists(disk.path) {
            needed += try source.dataBytes(disk.volume)
        }
        guard needed > available else { return }
        obstacles.append(
            "\(directory) has \(ByteText.describe(available)) left, and the disks need "
                + ByteText.describe(needed))
    }
}

/// A network interface's address and what it is connected to.
private struct NetworkPlace: Equatable {
    let mac: String
    let network: String

    static func all(in xml: String) -> [NetworkPlace] {
        (XMLTree.parse(xml)?["devices"]?.all("interface") ?? []).compactMap { interface in
            guard let mac = interface["mac"]?.attribute("address") else { return nil }
            let source = interface["source"]
            return NetworkPlace(
                mac: mac.lowercased(),
                network: source?.attribute("network") ?? source?.attribute("bridge")
                    ?? source?.attribute("dev") ?? "")
        }
    }
}
