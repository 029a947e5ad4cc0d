import LifeboatTesting
import Testing

@testable import LifeboatStore

@Suite struct HTTPPartsTests {
    @Test(arguments: [
        ("https://host/path?query", "https://host"), ("http://host:1", "http://host:1"),
        ("https://user:word@host/a@b", "https://host"), ("https://a@b@host?x", "https://host"),
        ("https://[::1]:8080/x", "https://[::1]:8080"), ("nonsense", "the store"),
        ("https://host#f", "https://host"), ("https://user:word@", "https://"),
    ]) func `a place has no secrets`(url: String, place: String) {
        #expect(HTTPPlace.of(url) == place)
    }

    @Test(arguments: [
        ("no https://me:word@host/a?key=secret", "https://me:word@host/a?key=secret"),
        ("word and key=secret", "https://me:word@host/a?key=secret"),
    ]) func `a text loses the secrets of its URL`(text: String, url: String) {
        let redacted = HTTPPlace.redact(text, url: url)
        #expect(!redacted.contains("word") && !redacted.contains("secret"))
    }

    @Test(arguments: TestSeeds.all) func `pieces read as one`(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let all = generator.bytes(1000)
        all.withUnsafeBytes { all in
            var cuts = (0..<8).map { _ in Int.random(in: 0...1000, using: &generator) }
            cuts = ([0, 0, 1000, 1000] + cuts).sorted()
            let pieces = zip(cuts, cuts.dropFirst()).map {
                UnsafeRawBufferPointer(rebasing: all[$0..<$1])
            }
            var reader = PieceReader(pieces)
            #expect(reader.count == 1000)
            for _ in 0..<50 {
                let position = Int.random(in: 0...1000, using: &generator)
                let isInside = reader.seek(position)
                #expect(isInside)
                var space = [UInt8](
                    repeating: 0, count: Int.random(in: 0...1200, using: &generator))
                let count = space.withUnsafeMutableBytes { reader.read(into: $0) }
                #expect(count == min(space.count, 1000 - position))
                #expect(space.prefix(count).elementsEqual(all[position..<(position + count)]))
            }
            let outside = [reader.seek(1001), reader.seek(-1)]
            #expect(outside == [false, false])
        }
    }

    @Test func `deadlines pass by themselves`() {
        let deadlines = HTTPDeadlines(stall: 30, total: 60, slowestRate: 10)
        var watch = DeadlineWatch(deadlines, byteCount: 100, now: 1000)
        #expect(watch.check(.zero, now: 1029) == nil)
        #expect(watch.check(.zero, now: 1030) == .stalled)
        #expect(watch.check([1, 0, 0, 0], now: 1030) == nil)
        #expect(watch.check([1, 0, 0, 0], now: 1059) == nil)
        #expect(watch.check([1, 0, 0, 0], now: 1060) == .stalled)
        #expect(watch.check([1, 0, 0, 9], now: 1060) == nil)
        #expect(watch.check([1, 0, 0, 8], now: 1069) == nil)
        #expect(watch.check([2, 0, 0, 8], now: 1070) == .deadline)
    }

    @Test func `a wait of our own passes no deadline`() {
        let deadlines = HTTPDeadlines(stall: 30, total: 60, slowestRate: 10)
        var watch = DeadlineWatch(deadlines, byteCount: 0, now: 0)
        watch.waited(500)
        #expect(watch.check(.zero, now: 529) == nil)
        #expect(watch.check(.zero, now: 530) == .stalled)
        #expect(watch.check([1, 0, 0, 0], now: 559) == nil)
        #expect(watch.check([2, 0, 0, 0], now: 560) == .deadline)
    }
}
