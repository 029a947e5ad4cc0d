import LifeboatArchive
import LifeboatCore
import LifeboatMachine
import LifeboatSystem

/// What is noted of a session of instant recovery, so that another process can go on with it.
struct InstantRecord: Sendable {
    /// One of its disks.
    struct Disk: Sendable {
        var target: String
        var path: String
        var size: UInt64
    }

    /// One of its machines.
    struct Machine: Sendable {
        var original: String
        var name: String
        var uuid: String
        /// Its definition for the time when its disks are whole.
        var xml: String
        var disks: [Disk]
    }

    var session: String
    var point: Digest
    var uri: String
    var socket: String
    var machines: [Machine]
    /// The process that looks after it since its machines run; 0 before that.
    var keeper: Int32 = 0
    /// What that process says, where it is in the background.
    var log: String?

    static func folder(_ directories: LocalDirectories) -> String {
        directories.state + "/instant"
    }

    func path(_ directories: LocalDirectories) -> String {
        "\(Self.folder(directories))/\(session).json"
    }

    /// Notes it, readable for this user only: definitions may have passwords.
    func write(_ directories: LocalDirectories) throws(LifeboatError) {
        try Files.makeDirectories(Self.folder(directories))
        try Files.writeAtomically(path(directories), Array(json.serialized.utf8))
    }

    private var json: JSON {
        [
            "version": 1, "session": .string(session), "point": .string(point.hex),
            "uri": .string(uri), "socket": .string(socket),
            "keeper": .integer(Int64(keeper)), "log": log.map { .string($0) } ?? .null,
            "machines": .array(
                machines.map { machine in
                    [
                        "original": .string(machine.original), "name": .string(machine.name),
                        "uuid": .string(machine.uuid), "xml": .string(machine.xml),
                        "disks": .array(
                            machine.disks.map {
                                [
                                    "target": .string($0.target), "path": .string($0.path),
                                    "size": .integer(Int64(clamping: $0.size)),
                                ]
                            }),
                    ]
                }),
        ]
    }

    /// All sessions that are not at their ends.
    static func all(_ directories: LocalDirectories) throws(LifeboatError) -> [InstantRecord] {
        let folder = folder(directories)
        guard Files.isDirectory(folder) else { return [] }
        var records: [InstantRecord] = []
        for name in try Files.list(folder).sorted() where name.hasSuffix(".json") {
            let path = folder + "/" + name
            let bytes = try Files.readWhole(path, limit: 64 << 20)
            records.append(
                try InstantRecord(try JSON(parsing: bytes, subject: path), subject: path))
        }
        return records
    }

    init(
        session: String, point: Digest, uri: String, socket: String, machines: [Machine]
    ) {
        self.session = session
        self.point = point
        self.uri = uri
        self.socket = socket
        self.machines = machines
    }

    private init(_ json: JSON, subject: String) throws(LifeboatError) {
        func text(_ value: JSON, _ key: String) throws(LifeboatError) -> String {
            guard let text = value[key]?.text else {
                throw LifeboatError(
                    .damaged, "the session's record has no \(key)", subject: subject)
            }
            return text
        }
        guard json["version"]?.integer == 1 else {
            throw LifeboatError(
                .unsupported, "the session's record is of another version", subject: subject)
        }
        session = try text(json, "session")
        guard let id = Digest(hex: try text(json, "point")) else {
            throw LifeboatError(.damaged, "the session's record has no point", subject: subject)
        }
        point = id
        uri = try text(json, "uri")
        socket = try text(json, "socket")
        keeper = Int32(clamping: json["keeper"]?.integer ?? 0)
        log = json["log"]?.text
        machines = []
        for value in json["machines"]?.list ?? [] {
            var machine = Machine(
                original: try text(value, "original"), name: try text(value, "name"),
                uuid: try text(value, "uuid"), xml: try text(value, "xml"), disks: [])
            for disk in value["disks"]?.list ?? [] {
                machine.disks.append(
                    Disk(
                        target: try text(disk, "target"), path: try text(disk, "path"),
                        size: UInt64(max(0, disk["size"]?.integer ?? 0))))
            }
            machines.append(machine)
        }
    }
}
