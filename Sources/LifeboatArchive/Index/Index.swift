public import LifeboatCore
public import LifeboatProtocol
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
/// Safe from many threads.
public final class Index: Sendable {
    private struct State: Sendable {
        var runs: [IndexRun]
        var damaged: Set<Digest>
        /// By run, which of its packs a session may rely on.
        var trusted: [Digest: [Bool]]

        init(
            _ runs: [IndexRun], _ ledger: Ledger, _ damaged: Set<Digest>, isScanned: Bool
        ) throws(LifeboatError) {
            try self.init(runs, damaged) { run, pack in
                ledger.trusts(pack) && (isScanned || ledger.vouches(run: run, for: pack))
            }
        }

        init(
            _ runs: [IndexRun], _ damaged: Set<Digest>, trusts: (Digest, Digest) -> Bool
        ) throws(LifeboatError) {
            self.runs = runs.sorted { $0.shape.entryCount > $1.shape.entryCount }
            self.damaged = damaged
            trusted = [:]
            for run in runs {
                trusted[run.name] = try run.packs().map {
                    !damaged.contains($0) && trusts(run.name, $0)
                }
            }
        }
    }

    private let state: Guarded<State>
    /// Whose index it is, where it may look for what keepers have moved meanwhile.
    private let refreshing: Repository?
    private let refreshes = Guarded(0)

    public var runs: [IndexRun] { state.withLock { $0.runs } }
    /// Packs that a verification found damaged or missing: what lies there counts as lost.
    public var damaged: Set<Digest> { state.withLock { $0.damaged } }

    /// An index of nothing, for making one anew.
    public static func empty(_ repository: Repository) throws(LifeboatError) -> Index {
        try Index(runs: [], ledger: Ledger(), damaged: try damagedPacks(repository))
    }

    /// `isScanned`: whether the runs were made of the packs' own directories.
    init(
        runs: [IndexRun], ledger: Ledger, damaged: Set<Digest>, isScanned: Bool = false,
        refreshing: Repository? = nil
    ) throws(LifeboatError) {
        state = Guarded(try State(runs, ledger, damaged, isScanned: isScanned))
        self.refreshing = refreshing
    }

    /// An index of runs that were made of packs' own directories, of which these can be relied on.
    init(scanned runs: [IndexRun], trusting packs: Set<Digest>) throws(LifeboatError) {
        state = Guarded(try State(runs, []) { _, pack in packs.contains(pack) })
        refreshing = nil
    }

    /// Opens all live runs of `log` whose domains are at hand, fetching into the cache what is not there yet.
    ///
    /// `refreshes`: whether look-ups that find nothing look at the logs again.
    /// - Throws: `.damaged` naming the run, with the advice to rebuild the index.
    public static func open(
        _ repository: Repository, ledger: Ledger, refreshes: Bool = false
    ) throws(LifeboatError) -> Index {
        let runs = try openRuns(repository, ledger)
        return try Index(
            runs: runs, ledger: ledger, damaged: try damagedPacks(repository),
            refreshing: refreshes ? repository : nil)
    }

    /// How often one index looks whether keepers have moved what it does not find.
    static let refreshLimit = 8

    /// Takes over what keepers have moved since the index was opened; false when nothing changed.
    private func refresh() throws(LifeboatError) -> Bool {
        guard let repository = refreshing else { return false }
        let isAllowed = refreshes.withLock { count in
            count += 1
            return count <= Self.refreshLimit
        }
        guard isAllowed else { return false }
        let ledger = try repository.readLog().ledger
        let known = Set(state.withLock { $0.runs }.map(\.name))
        guard Set(ledger.runs.keys) != known else { return false }
        let runs = try Self.openRuns(repository, ledger)
        let fresh = try State(
            runs, ledger, try Self.damagedPacks(repository), isScanned: false)
        state.withLock { $0 = fresh }
        return true
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

    /// Opens all live runs whose domains are at hand.
    private static func openRuns(
        _ repository: Repository, _ ledger: Ledger
    ) throws(LifeboatError) -> [IndexRun] {
        let names = ledger.runs.keys.sorted()
        var runs: [IndexRun] = []
        for result in repository.store.inParallel(
            names.count, name: "index",
            { number throws(LifeboatError) in try openRun(repository, names[number]) })
        {
            if let run = try result.get() { runs.append(run) }
        }
        return runs
    }

    /// Opens a run; `nil` when its domain's secret is not at hand.
    static func openRun(
        _ repository: Repository, _ name: Digest
    ) throws(LifeboatError) -> IndexRun? {
        let path = repository.directories.indexCache + "/" + name.hex
        if Files.exists(path) {
            // A cache that does not read is fetched again, not complained about.
            if let run = try? IndexRun(name, path: path) { return run }
        }
        return try fetchRun(repository, name)
    }

    /// Takes a run from the store, whatever the cache holds; `nil` when its domain's secret is
    /// not at hand.
    static func fetchRun(
        _ repository: Repository, _ name: Digest
    ) throws(LifeboatError) -> IndexRun? {
        let path = repository.directories.indexCache + "/" + name.hex
        let object = ObjectNames.indexRun(name)
        let bytes: [UInt8]
        do throws(LifeboatError) {
            bytes = try repository.store.get(object, limit: 64 << 20) {
                bytes throws(LifeboatError) in
                try IndexRunObject.check(
                    bytes, name: name, roster: repository.roster, subject: object.path)
                return bytes
            }
        } catch {
            guard error.code == .missing else { throw error }
            throw LifeboatError(
                .damaged, "the index run is missing", subject: object.path,
                advice: "run: lifeboat index rebuild")
        }
        guard let id = Identifier(Array(bytes[24..<40])), let domain = repository.domains[id]
        else { return nil }
        let plain = try IndexRunObject.open(
            bytes, name: name, domain: domain, roster: repository.roster, subject: object.path)
        try Files.writeAtomically(path, plain)
        return try IndexRun(name, path: path)
    }

    /// Where `id` lies; `nil` when it is unknown or only in damaged packs.
    public func find(
        _ id: Digest, except avoided: Set<Digest> = []
    ) throws(LifeboatError) -> Location? {
        let damaged = damaged
        return try find(id) { !damaged.contains($0) && !avoided.contains($0) }
    }

    /// Where `id` lies, in the end in a pack that does not count any more or is damaged, of which
    /// the larger part may be readable.
    func findAnywhere(
        _ id: Digest, except avoided: Set<Digest>
    ) throws(LifeboatError) -> Location? {
        if let location = try find(id, except: avoided) { return location }
        if try refresh(), let location = try find(id, except: avoided) { return location }
        let damaged = damaged
        guard !damaged.isEmpty else { return nil }
        return try find(id) { damaged.contains($0) && !avoided.contains($0) }
    }

    /// The place of `id` in a pack that `accepts` lets pass; one that counts before others.
    private func find(
        _ id: Digest, in accepts: (Digest) -> Bool
    ) throws(LifeboatError) -> Location? {
        var result: Location?
        var second: Location?
        let (runs, trusted) = state.withLock { ($0.runs, $0.trusted) }
        for run in runs where run.covers(id) {
            try run.find(id) { entry throws(LifeboatError) in
                let pack = try run.pack(entry.pack)
                guard accepts(pack) else { return true }
                let place = Location(
                    pack: pack, frame: Int(entry.frame), slot: Int(entry.slot))
                guard trusted[run.name]?[Int(entry.pack)] == true else {
                    second = second ?? place
                    return true
                }
                result = place
                return false
            }
            if result != nil { return result }
        }
        return second
    }

    /// Whether `id` is stored in a pack that a session may rely on.
    public func contains(_ id: Digest) throws(LifeboatError) -> Bool {
        var isFound = false
        let (runs, trusted) = state.withLock { ($0.runs, $0.trusted) }
        for run in runs where run.covers(id) {
            guard let trusted = trusted[run.name] else { continue }
            try run.find(id) { entry throws(LifeboatError) in
                isFound = trusted.indices.contains(Int(entry.pack)) && trusted[Int(entry.pack)]
                return !isFound
            }
            if isFound { return true }
        }
        return false
    }

    /// Ids that were stored only in packs now damaged: a backup that meets them stores them anew.
    public func lostIDs() throws(LifeboatError) -> Set<Digest> {
        let damaged = damaged
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
