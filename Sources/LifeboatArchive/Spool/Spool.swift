public import LifeboatCore
public import LifeboatFormat
import LifeboatStore
import LifeboatSystem

/// A local directory that takes backups while their repository's store cannot be reached.
///
/// `replica/` is a partial replica with what such a backup reads, `outbox/` has what it wrote, and
/// `notes` what has been sent. Source: formats/spool.md. Changed by one process at a time, which
/// holds its lock.
public final class Spool: Sendable {
    /// The directory.
    public let path: String
    /// What the outbox may take, in bytes.
    public let limit: UInt64
    let replica: DirectoryStore
    let outbox: DirectoryStore

    /// Nothing is checked or made before it is used.
    public init(path: String, limit: UInt64) {
        self.path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
        self.limit = limit
        replica = DirectoryStore(path: self.path + "/replica")
        outbox = DirectoryStore(path: self.path + "/outbox")
    }

    private var notesFile: String { path + "/notes" }

    // MARK: whose it is

    /// Makes the directory, or checks that it is the spool of this repository.
    ///
    /// - Throws: `.refused` when it is something else.
    public func claim(_ repository: Repository) throws(LifeboatError) {
        let owner = SpoolOwner(
            repository: repository.id, state: try repository.directories.identity(),
            location: repository.store.location)
        try Files.makeDirectories(path)
        if try SpoolOwner.load(path) == nil {
            let others = try Files.list(path).filter {
                $0 != "lock" && $0 != "lost+found" && !$0.hasSuffix(".tmp")
            }
            guard others.isEmpty else {
                throw LifeboatError(
                    .refused, "this directory is no spool, and is not empty", subject: path,
                    advice: "give the spool a directory of its own")
            }
            for folder in [replica.location, outbox.location] {
                try Files.makeDirectories(folder)
            }
            try owner.save(path)
        }
        try check(owner)
    }

    private func check(_ expected: SpoolOwner) throws(LifeboatError) {
        guard let owner = try SpoolOwner.load(path) else {
            throw LifeboatError(
                .missing, "there is no spool yet", subject: path,
                advice: "a backup prepares it while the store can be reached")
        }
        try owner.refuseOthers(than: expected, path: path)
    }

    /// Whether a backup has prepared it.
    public var isThere: Bool { SpoolOwner.isThere(path) }

    /// Checks that this is the spool of a repository.
    public func check(_ repository: Repository) throws(LifeboatError) {
        guard repository.spool !== self else { return }
        try check(
            SpoolOwner(
                repository: repository.id, state: try repository.directories.identity(),
                location: repository.store.location))
    }

    /// Opens the repository in the spool, for want of its store.
    ///
    /// - Throws: `.missing` when no backup has prepared the spool, `.refused` when it is of another
    ///   repository, or of another state directory.
    public func open(
        location: String, secret: WrappingSecret?, recovery: RecoveryKey?, stateRoot: String,
        cacheRoot: String
    ) throws(LifeboatError) -> Repository {
        guard let owner = try SpoolOwner.load(path),
            try replica.size(ObjectNames.replicaMark) != nil,
            try ReplicaSight(replica).view?.number != 0
        else {
            throw LifeboatError(
                .missing, "the spool has not been prepared yet", subject: path,
                advice: "a backup does that while the store can be reached")
        }
        let directories = try LocalDirectories(
            stateRoot: stateRoot, cacheRoot: cacheRoot, repository: owner.repository)
        try owner.refuseOthers(
            than: SpoolOwner(
                repository: owner.repository, state: try directories.identity(),
                location: location), path: path)
        let store = try SpoolStore(self)
        return try Repository.open(store, secret: secret, recovery: recovery, spool: self) {
            [path] id throws(LifeboatError) in
            guard id == owner.repository else {
                throw LifeboatError(
                    .refused, "the spool holds what is of another repository", subject: path)
            }
            return try directories.ofSpool(path)
        }
    }

    /// Has it for one process, until the lock goes.
    ///
    /// - Throws: `.refused` when another process has it, unless it `waits`.
    public func lock(
        waits: Bool = false, cancellation: Cancellation = Cancellation()
    ) throws(LifeboatError) -> SpoolLock {
        try Files.makeDirectories(path)
        return try SpoolLock(path + "/lock", waits: waits, cancellation: cancellation)
    }

    // MARK: what waits

    /// The points that wait, in the order in which they were made.
    ///
    /// - Throws: `.damaged` when a record cannot be read.
    public func records() throws(LifeboatError) -> [SpoolRecord] {
        guard Files.isDirectory(outbox.location) else { return [] }
        var names: [ObjectName] = []
        try outbox.list(ObjectNames.spoolRecordsPrefix) { name, _ throws(LifeboatError) in
            names.append(name)
        }
        var records: [SpoolRecord] = []
        for name in names.sorted() {
            let bytes: [UInt8]
            do throws(LifeboatError) {
                bytes = try outbox.get(name, limit: Envelope.byteLimit)
            } catch {
                // It has just been sent.
                guard error.code == .missing else { throw error }
                continue
            }
            do throws(LifeboatError) {
                let envelope = try Envelope(
                    .spoolRecord, decoding: bytes, isSigned: false, subject: name.path)
                let record = try SpoolRecord(payload: envelope.payload, subject: name.path)
                guard ObjectNames.spoolRecord(record.number) == name else {
                    throw LifeboatError(
                        .damaged, "the record belongs elsewhere", subject: name.path)
                }
                records.append(record)
            } catch {
                throw damaged(error)
            }
        }
        return records
    }

    /// The points that wait, and why those cannot be sent that were tried in vain.
    public func waiting() throws(LifeboatError) -> [(record: SpoolRecord, fault: String?)] {
        guard isThere else { return [] }
        let notes = try notes()
        let sent = Set(notes.sent.map(\.number))
        return try records().filter { !sent.contains($0.number) }.map { record in
            (record, notes.blocked.first { $0.number == record.number }?.value)
        }
    }

    func add(_ record: SpoolRecord) throws(LifeboatError) {
        try outbox.put(
            ObjectNames.spoolRecord(record.number),
            bytes: Envelope.unsigned(.spoolRecord, record.payload))
    }

    func replace(_ record: SpoolRecord) throws(LifeboatError) {
        try outbox.replace(
            ObjectNames.spoolRecord(record.number),
            bytes: Envelope.unsigned(.spoolRecord, record.payload))
    }

    /// Bytes in the outbox.
    public func usedBytes() throws(LifeboatError) -> UInt64 {
        var sum: UInt64 = 0
        guard Files.isDirectory(outbox.location) else { return 0 }
        try outbox.list("") { _, size throws(LifeboatError) in sum += size }
        return sum
    }

    /// Packs in the outbox.
    func packs() throws(LifeboatError) -> Set<Digest> {
        var packs: Set<Digest> = []
        try outbox.list(ObjectNames.packsPrefix) { name, _ throws(LifeboatError) in
            if let pack = ObjectNames.digest(name) { packs.insert(pack) }
        }
        return packs
    }

    // MARK: notes

    /// What has been sent, and tried.
    func notes() throws(LifeboatError) -> SpoolNotes {
        guard Files.exists(notesFile) else {
            guard let owner = try SpoolOwner.load(path) else {
                throw LifeboatError(.missing, "there is no spool", subject: path)
            }
            return SpoolNotes(repository: owner.repository)
        }
        let bytes = try Files.readWhole(notesFile, limit: Envelope.byteLimit)
        do throws(LifeboatError) {
            let envelope = try Envelope(
                .spoolNotes, decoding: bytes, isSigned: false, subject: notesFile)
            return try SpoolNotes(payload: envelope.payload, subject: notesFile)
        } catch {
            throw damaged(error)
        }
    }

    func save(_ notes: SpoolNotes) throws(LifeboatError) {
        try Files.writeAtomically(
            notesFile, Envelope.unsigned(.spoolNotes, notes.payload))
    }

    private func damaged(_ error: LifeboatError) -> LifeboatError {
        guard error.code == .damaged else { return error }
        return LifeboatError(
            .damaged, "the spool is damaged: \(error.message)", subject: path,
            advice: "what waits there is lost: remove the directory, and back up anew")
    }

    // MARK: removing

    /// Removes what a point brought, the record last: so nothing is left that no record names.
    func remove(_ record: SpoolRecord) throws(LifeboatError) {
        for pack in record.packs { try outbox.delete(ObjectNames.pack(pack)) }
        try outbox.delete(ObjectNames.pointBody(record.body))
        try outbox.delete(ObjectNames.spoolRecord(record.number))
    }

    /// Removes points that the repository has, or that were given up, and what nobody needs to
    /// remember any more.
    func clean(_ notes: inout SpoolNotes) throws(LifeboatError) {
        var waiting: [SpoolRecord] = []
        for record in try records() {
            if notes.sent.contains(where: { $0.number == record.number }) {
                try remove(record)
            } else {
                waiting.append(record)
            }
        }
        let before = notes
        let numbers = Set(waiting.map(\.number))
        let bases = Set(waiting.flatMap(\.bases))
        notes.bodies.removeAll { !numbers.contains($0.number) }
        notes.blocked.removeAll { !numbers.contains($0.number) }
        notes.sent.removeAll { !bases.contains($0.value.local) }
        // Of a pack that is not here any more nothing can be put.
        notes.attempted.formIntersection(try packs())
        if notes != before { try save(notes) }
    }

    /// Drops points that wait, and all later ones, which may rely on them.
    ///
    /// `chosen`: an id or the beginning of one; `nil` for all.
    /// - Throws: `.missing` when no such point waits.
    public func drop(_ chosen: String?) throws(LifeboatError) -> [SpoolRecord] {
        var notes = try notes()
        try clean(&notes)
        var dropped = try records()
        if let chosen {
            let prefix = chosen.lowercased()
            let fitting = dropped.filter { prefix.count >= 4 && $0.body.hex.hasPrefix(prefix) }
            guard let first = fitting.first, fitting.count == 1 else {
                throw LifeboatError(
                    fitting.isEmpty ? .missing : .refused,
                    fitting.isEmpty
                        ? "no such point waits in the spool"
                        : "\(fitting.count) points begin like this",
                    subject: chosen, advice: "list them with: lifeboat spool list")
            }
            dropped.removeAll { $0.number < first.number }
        }
        for record in dropped.reversed() { try remove(record) }
        try clean(&notes)
        return dropped
    }
}
