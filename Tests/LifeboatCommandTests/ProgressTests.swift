import LifeboatCore
import Testing

@testable import LifeboatCommand

@Suite struct ProgressTests {
    private let gibibyte: UInt64 = 1 << 30

    @Test func `a line has bytes, percent, throughput and time left`() {
        var meter = ProgressMeter()
        meter.start("reading", total: 4 * gibibyte, now: 0)
        let shows = meter.advance("reading", done: gibibyte, total: nil, now: 2)
        #expect(shows)
        #expect(
            meter.line(width: 80)
                == "reading  1.00 GiB of 4.00 GiB  25.0 %  512 MiB/s  0:06 left")
        #expect(meter.line(width: 12) == "reading  1.")
        #expect(
            meter.json.text
                == #"{"event":"progress","stage":"reading","done":1073741824,"#
                + #""total":4294967296,"percent":25.0,"bytes_per_second":536870912.0,"#
                + #""seconds_left":6.0}"#)
    }

    @Test func `it is shown at most five times a second`() {
        var meter = ProgressMeter()
        meter.start("reading", total: nil, now: 0)
        var shown = 0
        for step in 1...1000 {
            if meter.advance("reading", done: UInt64(step), total: nil, now: Double(step) / 1000) {
                shown += 1
            }
        }
        #expect(shown == 5)
    }

    @Test func `throughput follows the last seconds`() {
        var meter = ProgressMeter()
        meter.start("reading", total: nil, now: 0)
        _ = meter.advance("reading", done: 1000, total: nil, now: 1)
        for second in 2...30 {
            _ = meter.advance("reading", done: 1000, total: nil, now: Double(second))
        }
        #expect(meter.rate == 0)
        #expect(meter.secondsLeft == nil)
    }

    @Test func `counts never go back, and another stage starts anew`() {
        var meter = ProgressMeter()
        meter.start("reading", total: 10, now: 0)
        _ = meter.advance("reading", done: 8, total: nil, now: 1)
        _ = meter.advance("reading", done: 3, total: nil, now: 2)
        #expect(meter.done == 8 && meter.percent == 80)
        _ = meter.advance("merging", done: 1, total: nil, now: 3)
        #expect(meter.stage == "merging" && meter.done == 1 && meter.total == nil)
        #expect(meter.line(width: 80) == "merging  1 B")
    }

    @Test(
        arguments: [
            (0, "0:00"), (6.6, "0:07"), (754, "12:34"), (3723, "1:02:03"), (273_600, "3 d 4 h"),
            (.infinity, "?"), (-1, "?"),
        ] as [(Double, String)])
    func `durations read like a clock`(seconds: Double, text: String) {
        #expect(TimeText.duration(seconds) == text)
    }

    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_767_323_045_678, "2026-01-02T03:04:05.678Z"),
            (4_102_444_799_999, "2099-12-31T23:59:59.999Z"),
        ] as [(UInt64, String)])
    func `times are rfc 3339`(milliseconds: UInt64, text: String) {
        #expect(TimeText.exact(milliseconds) == text)
    }

    @Test(arguments: [(0.314, "0.31 s"), (12.34, "12.3 s"), (61, "1:01")] as [(Double, String)])
    func `elapsed time has fitting places`(seconds: Double, text: String) {
        #expect(TimeText.elapsed(seconds) == text)
    }
}
