public import LifeboatCore
import LifeboatFormat
import LifeboatSystem
import LifeboatStore

/// Where a chunk or node lies.
public struct Location: Hashable, Sendable {
    public var pack: Digest
    public var frame: Int
    public var slot: Int
}

/// Looks up chunks and nodes in a repository's runs.
///
/// Immutable and safe from many threads.
public final class Index: Sendable {
    public let runs: [IndexRun]
    /// Packs that a verification found damaged or missing: what lies there counts as lost.
    public let damaged: Set<Digest>

    /// An index of nothing, for making one anew.
    public static func empty(_ repository: Repository) throws(LifeboatError) -> Index {
        Index(runs: [], damaged: try damagedPacks(repository))
    }

    init(runs: [IndexRun], damaged: Set<Digest>) {
        self.runs = runs.sorted { $0.shape.entryCount > $1.shape.entryCount }
        self.damaged = damaged
    }

    /// Opens all live runs of `log` whose domains are at hand, fetching into the cache what is not there yet.
    ///
    /// - Throws: `.damaged` naming the run, with the advice to rebuild the index.
    public static func open(
        _ repository: Repository, log: LogView
    ) throws(LifeboatError) -> Index {
        var runs: [IndexRun] = []
        let domains = log.domainsOfRuns
        for name in log.liveRuns.sorted() {
            guard let domain = domains[name].flatMap({ repository.domains[$0] }) else { continue }
            runs.append(try openRun(repository, name, domain))
        }
        return Index(runs: runs, damaged: try damagedPacks(repository))
    }

    public static func damagedPacks(
        _ repository: Repository
    ) throws(LifeboatError) -> Set<Digest> {
        var damaged: Set<Digest> = []
        try repository.store.list(ObjectNames.damagedPrefix) { name, _ throws(LifeboatError) in
            if let digest = ObjectNames.digest(name) { damaged.insert(digest) }
        }
        return damaged
    }

    static func openRun(
        _ repository: Repository, _ name: Digest, _ domain: DomainKeys
    ) throws(LifeboatError) -> IndexRun {
        let path = repository.directories.indexCache + "/" + name.hex
        if Files.exists(path) {
            // A cache that does not read is fetched again, not complained about.
            if let run = try? IndexRun(name, path: path) { return run }
        }
        return try fetchRun(repository, name, domain)
    }

    /// Takes a run from the store, whatever the cache holds.
    static func fetchRun(
        _ repository: Repository, _ name: Digest, _ domain: DomainKeys
    ) throws(LifeboatError) -> IndexRun {
        let path = repository.directories.indexCache + "/" + name.hex
        let object = ObjectNames.indexRun(name)
        let bytes: [UInt8]
        do throws(LifeboatError) {
            bytes = try repository.store.get(object, limit: 64 << 20)
        } catch {
            guard error.code == .missing else { throw error }
            throw LifeboatError(
                .damaged, "the index run is missing", subject: object.path,
                advice: "run: lifeboat index rebuild")
        }
        let plain = try IndexRunObject.open(
            bytes, name: name, domain: domain, roster: repository.roster, subject: object.path)
        try Files.writeAtomically(path, plain)
        return try IndexRun(name, path: path)
    }

    /// Where `id` lies; `nil` when it is unknown or only in damaged packs.
    public func find(
        _ id: Digest, except avoided: Set<Digest> = []
    ) throws(LifeboatError) -> Location? {
        try find(id) { !damaged.contains($0) && !avoided.contains($0) }
    }

    /// Where `id` lies, in the end in a damaged pack, of which the larger part may be readable.
    func findAnywhere(
        _ id: Digest, except avoided: Set<Digest>
    ) throws(LifeboatError) -> Location? {
        if let location = try find(id, except: avoided) { return location }
        guard !damaged.isEmpty else { return nil }
        return try find(id) { damaged.contains($0) && !avoided.contains($0) }
    }

    private func find(
        _ id: Digest, in accepts: (Digest) -> Bool
    ) throws(LifeboatError) -> Location? {
        var result: Location?
        for run in runs where run.covers(id) {
            try run.find(id) { entry throws(LifeboatError) in
                let pack = try run.pack(entry.pack)
                guard accepts(pack) else { return true }
                result = Location(pack: pack, frame: Int(entry.frame), slot: Int(entry.slot))
                return false
            }
            if result != nil { return result }
        }
        return nil
    }

    /// Whether `id` is stored in a pack that is not known to be damaged.
    public func contains(_ id: Digest) throws(LifeboatError) -> Bool {
        guard damaged.isEmpty else { return try find(id) != nil }
        var isFound = false
        for run in runs where run.covers(id) {
            try run.find(id) { _ throws(LifeboatError) in
                isFound = true
                return false
            }
            if isFound { return true }
        }
        return false
    }

    /// Ids that were stored only in packs now damaged: a backup that meets them stores them anew.
    public func lostIDs() throws(LifeboatError) -> Set<Digest> {
        guard !damaged.isEmpty else { return [] }
        var lost: Set<Digest> = []
        for run in runs {
            let packs = try run.packs()
            let numbers = Set(packs.indices.filter { damaged.contains(packs[$0]) }.map(UInt32.init))
            if numbers.isEmpty { continue }
            var cursor = try IndexRunCursor(run)
            while let entry = cursor.entry {
                if numbers.contains(entry.pack), try find(entry.id) == nil { lost.insert(entry.id) }
                try cursor.advance()
            }
        }
        return lost
    }
}

extension LogView {
    /// Live runs of one domain.
    func liveRuns(of domain: Identifier) -> Set<Digest> {
        let domains = domainsOfRuns
        return liveRuns.filter { domains[$0] == domain }
    }

    /// The domain of the entry that names each run.
    fileprivate var domainsOfRuns: [Digest: Identifier] {
        var domains: [Digest: Identifier] = [:]
        for verified in entries {
            for run in verified.entry.runs { domains[run] = verified.entry.domain }
        }
        return domains
    }
}
