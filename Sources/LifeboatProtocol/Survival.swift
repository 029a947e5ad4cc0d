public import LifeboatCore
import LifeboatFormat

/// Which copies of a needed chunk or node a keeper keeps.
///
/// Source: formats/collection.md, "Copies".
public struct Survival: Sendable {
    private let named: [Digest: Ledger.Owner]
    /// Packs that other keepers condemn, or that may turn out not to count.
    private let others: Set<Digest>
    /// Packs that this keeper condemns, those that had better not be kept, and sparse ones.
    private let own: Set<Digest>
    private let avoided: Set<Digest>
    private let sparse: Set<Digest>
    /// Packs whose needed content lies in keepers' packs too.
    private let emptied: Set<Digest>
    private let isProven: @Sendable (Digest) -> Bool

    /// - `emptied`: packs whose content the keeper has just stored anew.
    /// - `avoided`: packs that had better not be kept if there is a choice.
    /// - `sparse`: packs with much dead space.
    /// - `isProven`: whether a pack is known to hold what its directory says, so that the copies
    ///   of other members need not be kept for safety's sake.
    public init(
        _ ledger: Ledger, keeper: Identifier, emptied: Set<Digest> = [],
        avoided: Set<Digest> = [], sparse: Set<Digest> = [], rules: Rules = .all,
        isProven: @escaping @Sendable (Digest) -> Bool = { _ in true }
    ) {
        // What this keeper has just stored counts as soon as its entry does, and not if another
        // keeper took it for an orphan and has doomed it: so nothing but the ledger is asked.
        named = ledger.packs
        self.emptied = emptied.union(ledger.emptied)
        self.avoided = avoided.union(self.emptied)
        self.sparse = sparse
        self.isProven = isProven
        var others: Set<Digest> = []
        var own: Set<Digest> = []
        for (reference, keepers) in ledger.condemned where reference.kind == .pack {
            if keepers[keeper] != nil { own.insert(reference.digest) }
            if keepers.count > (keepers[keeper] == nil ? 0 : 1) { others.insert(reference.digest) }
        }
        // Packs that a fence may yet cut off are no more to be relied on.
        self.others = (rules.contains(.respectOtherKeepers) ? others : [])
            .union(ledger.doubtfulPacks)
        self.own = own
    }

    /// The packs that must stay for the sake of something that lies in `copies`.
    ///
    /// One proven pack that no other keeper condemns, if there is one. Else one for each member
    /// that added copies, for a member may lie about what its packs hold; all keepers count as
    /// one. Of a member's packs that other keepers condemn, all: who knows which of them the
    /// others let go. Empty when no pack that counts has it.
    public func kept(of copies: some Sequence<Digest>) -> [Digest] {
        var safe: [Digest] = []
        var doubtful: [Digest] = []
        for pack in copies where named[pack] != nil {
            if others.contains(pack) { doubtful.append(pack) } else { safe.append(pack) }
        }
        guard let best = safe.min(by: isBetter) else { return doubtful }
        if safe.count + doubtful.count == 1 || isProven(best) { return [best] }
        return keptByMember(safe, doubtful)
    }

    private func keptByMember(_ safe: [Digest], _ doubtful: [Digest]) -> [Digest] {
        let groups = Dictionary(grouping: safe + doubtful) { pack in
            named[pack].flatMap { $0.isKeeper ? nil : $0.member }
        }
        let isSafe = Set(safe)
        let isMoved = groups[nil]?.contains(where: isSafe.contains) == true
        var result: [Digest] = []
        for (member, packs) in groups {
            guard let best = packs.filter(isSafe.contains).min(by: isBetter) else {
                result += packs
                continue
            }
            // A keeper has stored this member's copy anew.
            if member != nil, isMoved, emptied.contains(best) { continue }
            result.append(best)
        }
        return result.sorted()
    }

    private func isBetter(_ pack: Digest, _ other: Digest) -> Bool {
        let (rank, otherRank) = (rank(pack), rank(other))
        return rank != otherRank ? rank < otherRank : pack < other
    }

    /// What is condemned stays so, whatever is sparse: which packs are sparse depends on which are
    /// kept, so that otherwise two copies would take turns, and neither ever be deleted.
    private func rank(_ pack: Digest) -> Int {
        (avoided.contains(pack) ? 4 : 0) + (own.contains(pack) ? 2 : 0)
            + (sparse.contains(pack) ? 1 : 0)
    }
}
