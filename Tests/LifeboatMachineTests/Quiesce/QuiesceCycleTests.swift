import LifeboatCore
import LifeboatMachine
import LifeboatTesting
import Testing

@Suite struct QuiesceCycleTests {
    /// What is found first in so many schedules of faults.
    private static func campaign(
        _ seeds: Range<UInt64>, rules: QuiesceRules = .all
    ) -> String? {
        for seed in seeds {
            var simulation = CycleSimulation(seed: seed, rules: rules)
            if let violation = simulation.run().first { return "seed \(seed): \(violation)" }
        }
        return nil
    }

    @Test(arguments: TestSeeds.all) func `no fault keeps a guest frozen or a point dishonest`(
        seed: UInt64
    ) {
        let first = seed * 10_000
        let found = Self.campaign(first..<first + 500)
        #expect(found == nil, "\(found ?? "")")
    }

    @Test(arguments: TestSeeds.all) func `without faults all are frozen`(seed: UInt64) throws {
        for part in 0..<30 {
            var simulation = CycleSimulation(seed: seed * 1000 + UInt64(part), faults: false)
            #expect(simulation.run().isEmpty)
            let outcome = try #require(simulation.cycle.outcome)
            for member in outcome.members {
                #expect(try #require(member.level) >= .filesystem, "\(seed) \(part): \(member)")
                #expect(member.windowMilliseconds != nil)
            }
        }
    }

    /// Each rule is needed: without it the checks above find something.
    @Test(arguments: (0..<12).map { QuiesceRules(rawValue: 1 << $0) })
    func `a broken rule is noticed`(rule: QuiesceRules) {
        let found = Self.campaign(1..<5_000, rules: QuiesceRules.all.subtracting(rule))
        #expect(found != nil, "nothing notices that rule \(rule.rawValue) is broken")
    }
}
