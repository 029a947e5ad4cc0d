import LifeboatArchive
import LifeboatCore
import LifeboatProtocol
import LifeboatStore

extension Operations {
    /// What puts objects back from the replicas that are asked for.
    func repairing(
        _ repository: Repository, _ options: VerificationOptions
    ) throws(LifeboatError) -> ObjectRepair {
        var records = try ReplicaRecord.all(repository.directories)
        if let name = options.replica { records = [try Self.replica(name, repository)] }
        let own = ReplicaRecord.canonical(repository.store.location)
        records.removeAll { $0.location == own }
        guard !records.isEmpty else {
            throw LifeboatError(
                .missing, "this host knows of no replica to repair from",
                subject: repository.store.location,
                advice: "add one with: lifeboat replica add NAME LOCATION")
        }
        var stores: [(record: ReplicaRecord, store: any ObjectStore)] = []
        for record in records {
            stores.append(
                (record, try access.store(at: record.location, cancellation: cancellation)))
        }
        return ObjectRepair(repository, from: stores) { warn([$0]) }
    }
}

extension VerificationOptions.Depth {
    /// Whether block maps are looked at.
    var readsMaps: Bool { if case .keyless = self { false } else { true } }
}

extension VerificationRun {
    /// Repairs what an error is about; false when it stays a problem.
    func putsBack(_ error: LifeboatError) -> Bool {
        guard let repair, error.code == .damaged, let subject = error.subject else { return false }
        do throws(LifeboatError) {
            guard let replica = try repair.repair(subject) else { return false }
            result.repaired.append(
                RepairedObject(object: subject, message: error.message, replica: replica))
            events.tell(.note("\(subject) was put back from replica \(replica)"))
            return true
        } catch {
            result.notes.append("\(subject) could not be repaired: \(error.description)")
            return false
        }
    }

    /// How many entries in a row are put back.
    private static let logLimit = 100_000

    /// Reads the logs, and puts back what is missing of them as long as that makes progress.
    func readLog() throws(LifeboatError) -> LogView {
        guard let repair else { return try repository.readLog() }
        var log = try repair.readLog()
        for _ in 0..<Self.logLimit {
            let count = result.repaired.count
            for problem in log.problems { _ = putsBack(problem) }
            guard result.repaired.count > count else { break }
            log = try repair.readLog()
        }
        return log
    }

    /// Packs that an earlier verification found damaged and that are not in order again.
    func knownDamaged(_ packs: Set<Digest>) throws(LifeboatError) -> Set<Digest> {
        let known = try Index.damagedPacks(repository)
        guard repair != nil else { return known }
        for pack in known.sorted() where packs.contains(pack) {
            _ = putsBack(
                LifeboatError(
                    .damaged, "the pack was found damaged earlier",
                    subject: ObjectNames.pack(pack).path))
        }
        return try Index.damagedPacks(repository)
    }
}
