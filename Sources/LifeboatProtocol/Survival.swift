public import LifeboatCore
import LifeboatFormat

/// Which copies of a needed chunk or node a keeper keeps.
///
/// Source: formats/collection.md, "Copies".
public struct Survival: Sendable {
    private let named: [Digest: Ledger.Owner]
    private let others: Set<Digest>
    private let own: Set<Digest>
    private let emptied: Set<Digest>

    /// - `emptied`: packs whose content the keeper has just stored anew.
    /// - `added`: packs that the keeper has just stored.
    public init(
        _ ledger: Ledger, keeper: Identifier, emptied: Set<Digest> = [], added: [Digest] = [],
        rules: Rules = .all
    ) {
        var named = ledger.packs
        for pack in added where !ledger.doomed.contains(ObjectReference(.pack, pack)) {
            named[pack] = .init(member: keeper, domain: keeper)
        }
        self.named = named
        self.emptied = emptied
        var others: Set<Digest> = []
        var own: Set<Digest> = []
        for (reference, keepers) in ledger.condemned where reference.kind == .pack {
            if keepers[keeper] != nil { own.insert(reference.digest) }
            if keepers.count > (keepers[keeper] == nil ? 0 : 1) { others.insert(reference.digest) }
        }
        if !rules.contains(.respectOtherKeepers) { others = [] }
        self.others = others.union(ledger.doubtfulPacks)
        self.own = own
    }

    /// The packs that must stay for the sake of something that lies in `copies`.
    ///
    /// One that no other keeper condemns and no fence may cut off, if there is one; else all, for
    /// who knows which of them go. Empty when no pack that counts has it.
    public func kept(of copies: some Sequence<Digest>) -> [Digest] {
        var best: Digest?
        var doubtful: [Digest] = []
        for pack in copies where named[pack] != nil {
            guard !others.contains(pack) else {
                doubtful.append(pack)
                continue
            }
            if best.map({ isBetter(pack, than: $0) }) ?? true { best = pack }
        }
        return best.map { [$0] } ?? doubtful
    }

    private func isBetter(_ pack: Digest, than other: Digest) -> Bool {
        let rank = (emptied.contains(pack) ? 2 : 0) + (own.contains(pack) ? 1 : 0)
        let otherRank = (emptied.contains(other) ? 2 : 0) + (own.contains(other) ? 1 : 0)
        return rank != otherRank ? rank < otherRank : pack < other
    }
}
