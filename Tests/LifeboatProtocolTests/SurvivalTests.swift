import LifeboatCore
import LifeboatFormat
import LifeboatTesting
import Testing

@testable import LifeboatProtocol

@Suite struct SurvivalTests {
    private var book = LogBook()
    private let writer: Identifier
    private let keeper: Identifier
    private let packs = (1...3).map { Digest(0, 0, 0, $0) }

    init() {
        writer = book.enrol(.writer)
        keeper = book.enrol(.keeper)
        book.add(writer) { [packs] in $0.packs = packs }
    }

    private func kept(
        sparse: Set<Digest> = [], avoided: Set<Digest> = []
    ) -> [Digest] {
        Survival(book.ledger, keeper: keeper, avoided: avoided, sparse: sparse).kept(of: packs)
    }

    @Test mutating func `a copy in a pack that is not sparse is kept`() {
        #expect(kept(sparse: [packs[0], packs[2]]) == [packs[1]])
        #expect(kept(sparse: Set(packs)) == [packs[0]])
    }

    @Test mutating func `what was condemned for another copy is not kept for its being sparse`() {
        // As steps go: which packs are sparse is found out among those that are kept.
        for _ in 0..<3 {
            let chosen = kept()
            let others = packs.filter { !chosen.contains($0) }
            book.add(keeper) {
                $0.condemned = others.map { ObjectReference(.pack, $0) }
                $0.sparse = chosen
            }
            #expect(kept(sparse: Set(chosen)) == chosen)
        }
    }

    @Test mutating func `a damaged copy is not kept for another's being condemned`() {
        book.add(keeper) { [packs] in $0.condemned = [ObjectReference(.pack, packs[1])] }
        #expect(kept(avoided: [packs[0], packs[2]]) == [packs[1]])
    }
}
