import LifeboatCore
import Testing

@Suite struct TrafficRateTests {
    @Test(
        arguments: [
            ("20MB/s", 20_000_000), ("512KiB/s", 524_288), ("1.5MiB/s", 1_572_864),
            ("65536/s", 65536), ("1B/s", 1), ("1GB/s", 1_000_000_000), ("none", nil), ("0", nil),
            ("0MB/s", nil), ("0.0/s", nil),
        ] as [(String, UInt64?)])
    func `rates are read`(text: String, limit: UInt64?) throws {
        #expect(try #require(TrafficRate(text)).limit == limit)
    }

    @Test(arguments: [
        "", "20", "20MB", "MB/s", "/s", "-1MB/s", "20Mbit/s", "20 MB/s", "20MB/h", "None", "0.5B/s",
        "1e3/s", "99999999TB/s", "20MB/s/s",
    ])
    func `what is no rate is refused`(text: String) {
        #expect(TrafficRate(text) == nil)
    }

    @Test func `what is written is read again`() {
        var counts: [UInt64] = [1, 999, 1000, 1023, 1024, 20_000_000, 20 << 20, 1 << 40, 1 << 50]
        var word: UInt64 = 88_172_645_463_325_252
        for shift in 14..<64 {
            word ^= word << 13
            word ^= word >> 7
            word ^= word << 17
            // Doubles hold so many exactly.
            counts.append(max(1, word >> UInt64(shift)))
        }
        for count in counts {
            let rate = TrafficRate.bytesPerSecond(count)
            #expect(TrafficRate(rate.description) == rate, "\(count)")
        }
        #expect(TrafficRate.bytesPerSecond(20_000_000).description == "20MB/s")
        #expect(TrafficRate.bytesPerSecond(524_288).description == "512KiB/s")
        #expect(TrafficRate(TrafficRate.unlimited.description) == .unlimited)
    }

    @Test func `the lower of two holds`() {
        let (one, two) = (TrafficRate.bytesPerSecond(1), TrafficRate.bytesPerSecond(2))
        #expect(one.lower(two) == one && two.lower(one) == one)
        #expect(one.lower(.unlimited) == one && TrafficRate.unlimited.lower(one) == one)
        #expect(TrafficRate.unlimited.lower(.unlimited) == .unlimited)
    }
}
