import LifeboatProtocol
public import LifeboatCore
import LifeboatFormat
import LifeboatStore
import LifeboatSystem

/// An index made of the packs alone, for when the stored one is lost or damaged.
public struct IndexScan: Sendable {
    public let index: Index
    public let packs: UInt64
    public let entries: UInt64
    /// Packs that could not be read.
    public let problems: [LifeboatError]

    /// Reads the directory of every pack that the store lists or `log` names.
    ///
    /// The runs are local files that live as long as the result's index does.
    public static func run(
        _ repository: Repository, log: LogView, events: any EventSink, cancellation: Cancellation
    ) throws(LifeboatError) -> IndexScan {
        _ = try repository.requireDomain()
        let session = SessionIndex(repository.directories)
        let damaged = try Index.damagedPacks(repository)
        let scanned = try scan(
            repository, log: log, domains: repository.domains, into: session, damaged: damaged,
            events: events, cancellation: cancellation)
        let runs = try session.finish()
        session.leaveFilesOpen()
        return IndexScan(
            index: try Index(
                runs: runs, ledger: log.ledger, damaged: damaged, isScanned: true),
            packs: scanned.packs,
            entries: scanned.entries, problems: scanned.problems)
    }

    static func scan(
        _ repository: Repository, log: LogView, domains: [Identifier: DomainKeys],
        into session: SessionIndex, damaged: Set<Digest>, events: any EventSink,
        cancellation: Cancellation
    ) throws(LifeboatError) -> (packs: UInt64, entries: UInt64, problems: [LifeboatError]) {
        let foreign = Set(repository.configuration.domains.map(\.id)).subtracting(domains.keys)
        var names = log.packs
        try repository.store.list(ObjectNames.packsPrefix) { name, _ throws(LifeboatError) in
            if let digest = ObjectNames.digest(name) { names.insert(digest) }
        }
        var packs: UInt64 = 0
        var entries: UInt64 = 0
        var problems: [LifeboatError] = []
        events.tell(.started(stage: "reading pack directories", total: nil))
        for name in names.sorted() where !damaged.contains(name) {
            try cancellation.check()
            do throws(LifeboatError) {
                let pack = try OpenPack.open(
                    name, store: repository.store, domains: domains, recovery: nil,
                    foreignDomains: foreign)
                try session.add(name, pack.directory)
                packs += 1
                entries += UInt64(pack.directory.slots.count)
                events.tell(
                    .progress(stage: "reading pack directories", done: packs, total: nil))
            } catch {
                // A pack of another domain is for the hosts of that domain to index.
                if error.code == .wrongKey { continue }
                guard error.code == .damaged else { throw error }
                problems.append(error)
            }
        }
        events.tell(.finished(stage: "reading pack directories"))
        return (packs, entries, problems)
    }
}

extension WriteSession {
    /// Indexes every pack of the session's domain anew from its directory.
    ///
    /// Replaces that domain's whole stored index.
    public func rebuildIndex(
        log: LogView, events: any EventSink, cancellation: Cancellation
    ) throws(LifeboatError) -> (
        packs: UInt64, entries: UInt64, runs: Int, problems: [LifeboatError]
    ) {
        let scanned = try IndexScan.scan(
            repository, log: log, domains: [domain.domain: domain], into: stored,
            damaged: index.damaged, events: events,
            cancellation: cancellation)
        let runs = try commitIndex(
            replacing: Set(log.ledger.runs.filter { $0.value.domain == domain.domain }.keys))
        return (scanned.packs, scanned.entries, runs, scanned.problems)
    }
}
