import LifeboatCore
import LifeboatFormat
import LifeboatTesting
import Testing

@Suite struct HeadCodeTests {
    /// Logs with random names; their entries' digests.
    private struct Logs {
        var entries: [Identifier: [Digest]] = [:]

        init(_ generator: inout SeededGenerator) {
            for _ in 0..<Int.random(in: 1...5, using: &generator) {
                let name = Identifier(generator.next(), generator.next())
                grow(name, Int.random(in: 1...40, using: &generator), &generator)
            }
        }

        mutating func grow(_ name: Identifier, _ count: Int, _ generator: inout SeededGenerator) {
            for _ in 0..<count {
                entries[name, default: []].append(
                    Digest(
                        generator.next(), generator.next(), generator.next(), generator.next()))
            }
        }

        var heads: [LogHead] {
            entries.sorted { $0.key < $1.key }.compactMap { name, digests in
                digests.last.map {
                    LogHead(incarnation: name, sequence: UInt64(digests.count), digest: $0)
                }
            }
        }

        func findings(_ code: HeadCode) -> [HeadCode.Finding] {
            code.findings(heads, ended: []) { name, sequence in
                entries[name]?[Int(sequence) - 1]
            }
        }

        func hasMismatch(_ code: HeadCode) -> Bool {
            findings(code).contains { $0.isMismatch }
        }
    }

    @Test(arguments: TestSeeds.scaled(20)) func `texts are read back`(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let marks = (0..<Int.random(in: 0...3, using: &generator)).map { _ in
            HeadCode.Mark(
                tag: UInt32(truncatingIfNeeded: generator.next() >> 44),
                sequence: generator.next() >> UInt64.random(in: 0...63, using: &generator),
                digest: generator.next() >> 24)
        }
        let code = HeadCode(
            total: generator.next() >> UInt64.random(in: 0...63, using: &generator), marks: marks)
        #expect(try HeadCode(text: code.text) == code)
        let typed = code.text.lowercased().replacing("0", with: "o").replacing("1", with: "l")
            .replacing("-", with: " ")
        #expect(try HeadCode(text: " " + typed + "\n") == code)
    }

    @Test(arguments: [
        (HeadCode(total: 0, marks: []), "LB1-0003"),
        (
            HeadCode(
                total: 300,
                marks: [.init(tag: 0xABCDE, sequence: 17, digest: 0x01_2345_6789)]),
            "LB1-1HJCN-F6YH1-04HMA-SW97F"
        ),
        // The example of formats/head-code.md.
        (
            HeadCode(
                total: 1000,
                marks: [
                    .init(tag: 0xABCDE, sequence: 17, digest: 0x01_2345_6789),
                    .init(tag: 0x12345, sequence: 250, digest: 0xFE_DCBA_9876),
                ]), "LB1-2KY8N-F6YH1-04HMA-SW928-T5ZAZ-VEBN6-3PRC"
        ),
    ]) func `texts are as the format says`(code: HeadCode, text: String) {
        #expect(code.text == text)
    }

    @Test(arguments: TestSeeds.all) func `a wrong character is noticed`(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let heads = Logs(&generator).heads
        let text = Array(HeadCode(heads, named: heads).text)
        for index in text.indices where text[index] != "-" {
            for other in "0123456789ABCDEFGHJKMNPQRSTVWXYZU!" where other != text[index] {
                if index == 0 && other == "1" { continue }
                var wrong = text
                wrong[index] = other
                #expect(throws: LifeboatError.self) { try HeadCode(text: String(wrong)) }
            }
            var shorter = text
            shorter.remove(at: index)
            #expect(throws: LifeboatError.self) { try HeadCode(text: String(shorter)) }
            guard let next = text[(index + 1)...].firstIndex(where: { $0 != "-" }),
                text[next] != text[index]
            else { continue }
            var swapped = text
            swapped.swapAt(index, next)
            #expect(throws: LifeboatError.self) { try HeadCode(text: String(swapped)) }
        }
    }

    @Test(arguments: [
        "", "LB1", "LB1-", "LB1-00000", "LB2-0003", "LB1-0", "lb", "LB1-ZZZZZ-ZZZZZ",
        "LB1-\u{1F600}", String(repeating: "1", count: 1000),
    ]) func `other texts are refused`(text: String) {
        #expect(throws: LifeboatError.self) { try HeadCode(text: text) }
    }

    @Test(arguments: TestSeeds.scaled(10)) func `what grows agrees`(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var logs = Logs(&generator)
        let code = HeadCode(logs.heads, named: logs.heads.shuffled(using: &generator))
        #expect(logs.findings(code) == [])
        for name in logs.entries.keys.sorted() where Bool.random(using: &generator) {
            logs.grow(name, Int.random(in: 1...5, using: &generator), &generator)
        }
        logs.grow(Identifier(generator.next(), generator.next()), 3, &generator)
        #expect(logs.findings(code) == [])
    }

    @Test(arguments: TestSeeds.scaled(10)) func `a log that is set back is noticed`(
        seed: UInt64
    ) throws {
        var generator = SeededGenerator(seed: seed)
        let logs = Logs(&generator)
        let named = logs.heads.shuffled(using: &generator).prefix(3)
        let code = HeadCode(logs.heads, named: Array(named))
        for head in logs.heads {
            let cut = Int.random(in: 1...Int(head.sequence), using: &generator)
            var short = logs
            short.entries[head.incarnation]?.removeLast(cut)
            #expect(short.hasMismatch(code), "a suffix is gone")
            // A log that goes on differently, further than before.
            var other = short
            other.grow(head.incarnation, cut + 3, &generator)
            #expect(
                other.hasMismatch(code)
                    == named.contains { $0.incarnation == head.incarnation })
        }
    }

    @Test func `what a keeper summed up or ended is told, and no mismatch`() {
        let name = Identifier(1 << 60, 7)
        let known = LogHead(incarnation: name, sequence: 9, digest: Digest(1, 2, 3, 4))
        let code = HeadCode([known], named: [known])
        /// Where no entry can be read any more.
        func findings(_ heads: [LogHead], ended: Set<Identifier> = []) -> [HeadCode.Finding] {
            code.findings(heads, ended: ended) { _, _ in nil }
        }
        let later = LogHead(incarnation: name, sequence: 12, digest: .zero)
        #expect(findings([later]) == [.summedUp(name, 9)])
        let ended = LogHead(incarnation: name, sequence: 7, digest: .zero)
        #expect(findings([ended], ended: [name]) == [.ended(ended, expected: 9)])
        #expect(
            findings([ended])
                == [.fewerEntries(expected: 9, found: 7), .shortLog(ended, expected: 9)])
        let none = findings([])
        #expect(none.count == 2 && none.allSatisfy { $0.isMismatch })
    }

    @Test(arguments: TestSeeds.all) func `logs of one member have different tags`(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let member = Identifier(generator.next(), generator.next())
        let tags = (0..<100).map { number in
            HeadCode.Mark.tag(
                of: Identifier(member.word0, member.word1 & ~0xFFFF_FFFF | number))
        }
        #expect(Set(tags).count == tags.count)
    }
}
