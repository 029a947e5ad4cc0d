import LifeboatProtocol
import LifeboatSimulation
import Testing

@Suite struct SimulationTests {
    @Test(arguments: 0..<10 as Range<UInt64>)
    func `nothing goes wrong`(part: UInt64) {
        for seed in part * 20 + 1...part * 20 + 20 {
            let result = Campaign.run(seed: seed)
            #expect(result.violation == nil, "seed \(seed)")
        }
    }

    @Test(arguments: 1...5 as ClosedRange<UInt64>)
    func `a seed fixes a schedule`(seed: UInt64) {
        let first = Campaign.run(seed: seed)
        let second = Campaign.run(seed: seed, isTraced: true)
        #expect(first.digest == second.digest)
        #expect(first.steps == second.steps)
        #expect(first.events.isEmpty)
        #expect(!second.events.isEmpty)
    }

    @Test func `every rule can be switched off`() {
        let listed = Campaign.rules.reduce(into: Rules()) { $0.formUnion($1.rule) }
        #expect(listed == .all)
        #expect(Set(Campaign.rules.map(\.name)).count == Campaign.rules.count)
    }

    @Test func `a missing rule is noticed`() {
        let rules = Rules.all.subtracting(.waitForSessions)
        let found = (1...200 as ClosedRange<UInt64>).contains { seed in
            Campaign.run(seed: seed, rules: rules).violation != nil
        }
        #expect(found)
    }
}
