import LifeboatCore
import Testing

@Suite struct ByteTextTests {
    @Test(arguments: [
        ("64KiB", 65536), ("64K", 65536), ("1.5GiB", 1_610_612_736), ("100MB", 100_000_000),
        ("7", 7),
    ])
    func `reads sizes as people write them`(text: String, bytes: UInt64) {
        #expect(ByteText.parse(text) == bytes)
    }

    @Test(arguments: ["", "x", "1.2.3", "5 apples", "-1"])
    func `refuses what is no size`(text: String) {
        #expect(ByteText.parse(text) == nil)
    }

    @Test(arguments: [
        (UInt64(12), "12 B"), (65536, "64.0 KiB"), (1_610_612_736, "1.50 GiB"), (1023, "1023 B"),
    ])
    func `describes sizes`(bytes: UInt64, text: String) {
        #expect(ByteText.describe(bytes) == text)
    }
}

@Suite struct DigestTests {
    @Test func `orders as its bytes do`() throws {
        let low = try #require(Digest(hex: String(repeating: "00", count: 31) + "01"))
        let high = try #require(Digest(hex: "01" + String(repeating: "00", count: 31)))
        #expect(low < high)
        #expect(high.hex == "01" + String(repeating: "00", count: 31))
        #expect(Digest(high.bytes) == high)
    }
}

@Suite struct DateTextTests {
    private static let table: [(UInt64, String)] = [
        (0, "1970-01-01"), (951_782_399_999, "2000-02-28"), (951_782_400_000, "2000-02-29"),
        (1_767_225_599_999, "2025-12-31"), (1_767_225_600_000, "2026-01-01"),
        (4_107_542_400_000, "2100-03-01"), (253_402_300_799_999, "9999-12-31"),
    ]

    @Test(arguments: table) func `days`(milliseconds: UInt64, day: String) {
        #expect(DateText.day(milliseconds) == day)
    }
}
