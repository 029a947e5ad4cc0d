import LifeboatCore
import LifeboatFormat
import LifeboatTesting
import Testing

@Suite struct CBORTests {
    static let examples: [(CBOR, String)] = [
        (.unsigned(0), "00"), (.unsigned(23), "17"), (.unsigned(24), "1818"),
        (.unsigned(255), "18ff"), (.unsigned(256), "190100"), (.unsigned(65535), "19ffff"),
        (.unsigned(65536), "1a00010000"), (.unsigned(0xFFFF_FFFF), "1affffffff"),
        (.unsigned(0x1_0000_0000), "1b0000000100000000"),
        (.unsigned(.max), "1bffffffffffffffff"), (.bytes([]), "40"), (.bytes([1, 2]), "420102"),
        (.text(""), "60"), (.text("zoë"), "647a6fc3ab"), (.array([]), "80"),
        (.array([.boolean(true), .boolean(false)]), "82f5f4"), (.map([:]), "a0"),
        (
            .map([
                1: .bytes([1, 2]), 2: .unsigned(300), 3: .text("zoë"),
                4: .array([.boolean(true), .unsigned(0)]),
            ]), "a4014201020219012c03647a6fc3ab0482f500"
        ),
        (
            .map([0: .unsigned(1), 23: .map([:]), 24: .array([]), 256: .text("x")]),
            "a4000117a01818801901006178"
        ),
    ]

    @Test(arguments: examples)
    func `encodes and decodes the examples`(value: CBOR, text: String) throws {
        let bytes = try hex(text)
        #expect(value.encoded() == bytes)
        #expect(try CBOR.decode(bytes) == value)
    }

    @Test(arguments: [
        ("nothing", ""), ("a trailing byte", "0000"), ("0 in two bytes", "1800"),
        ("23 in two bytes", "1817"), ("24 in three bytes", "190018"),
        ("255 in five bytes", "1a000000ff"), ("65535 in five bytes", "1a0000ffff"),
        ("32 bits in nine bytes", "1b00000000ffffffff"), ("a long length", "580101"),
        ("a negative number", "20"), ("a tag", "c000"), ("null", "f6"), ("undefined", "f7"),
        ("a float", "f90000"), ("a simple value", "f8ff"), ("false in two bytes", "f814"),
        ("an indefinite array", "9fff"), ("indefinite bytes", "5f4100ff"),
        ("an indefinite map", "bfff"), ("a reserved length", "1c"), ("a break", "ff"),
        ("descending keys", "a202000100"), ("equal keys", "a201000100"),
        ("a text key", "a1616100"), ("a map cut off", "a101"), ("a key alone", "a1"),
        ("a huge array", "9bffffffffffffffff"), ("a huge map", "bbffffffffffffffff"),
        ("huge bytes", "5bffffffffffffffff00"), ("bytes cut off", "42ff"),
        ("a head cut off", "19ff"), ("text that is not UTF-8", "61ff"),
        ("a surrogate", "63eda080"), ("an overlong character", "62c080"),
    ])
    func `refuses what is not the one encoding`(name: String, text: String) throws {
        let bytes = try hex(text)
        expectFault(.damaged, "\(name)") { _ = try CBOR.decode(bytes) }
    }

    @Test func `nests up to twelve deep`() throws {
        let deepest = [UInt8](repeating: 0x81, count: 11) + [0]
        #expect(try CBOR.decode(deepest).encoded() == deepest)
        expectFault(.damaged) { _ = try CBOR.decode([0x81] + deepest) }
        expectFault(.damaged) {
            _ = try CBOR.decode([UInt8](repeating: 0x81, count: 1_000_000))
        }
    }

    @Test func `random values survive`() throws {
        var generator = SeededGenerator(seed: 4)
        for _ in 0..<500 {
            let value = Self.random(&generator, depth: 0)
            #expect(try CBOR.decode(value.encoded()) == value)
        }
    }

    private static func random(_ generator: inout SeededGenerator, depth: Int) -> CBOR {
        switch UInt64.random(in: 0..<(depth < 4 ? 6 : 4), using: &generator) {
        case 0: .unsigned(generator.next() >> UInt64.random(in: 0..<64, using: &generator))
        case 1:
            .bytes(
                (0..<generator.count(300)).map { _ in
                    UInt8(truncatingIfNeeded: generator.next())
                })
        case 2: .text(String(repeating: "aé€😀", count: generator.count(30)))
        case 3: .boolean(generator.next() & 1 == 0)
        case 4:
            .array((0..<generator.count(6)).map { _ in random(&generator, depth: depth + 1) })
        default:
            .map(
                Dictionary(
                    (0..<generator.count(6)).map { _ in
                        (generator.next() >> 56, random(&generator, depth: depth + 1))
                    }, uniquingKeysWith: { first, _ in first }))
        }
    }
}

@Suite struct CBORFieldsTests {
    @Test func `names the object and the field`() throws {
        let fields = try CBORFields(
            .map([1: .unsigned(9), 2: .bytes([1]), 3: .array([.unsigned(1)])]), of: "a thing")
        #expect(try fields.unsigned(1) == 9)
        #expect(try fields.digests(7).isEmpty)
        #expect(try fields.texts(7).isEmpty)
        expectFault(.damaged) { _ = try fields.unsigned(7) }
        expectFault(.damaged) { _ = try fields.count(1, upTo: 8) }
        expectFault(.damaged) { _ = try fields.text(1) }
        expectFault(.damaged) { _ = try fields.boolean(1) }
        expectFault(.damaged) { _ = try fields.bytes(2, count: 2) }
        expectFault(.damaged) { _ = try fields.digest(2) }
        expectFault(.damaged) { _ = try fields.identifier(2) }
        expectFault(.damaged) { _ = try fields.array(2) }
        expectFault(.damaged) { _ = try fields.digests(3) }
        expectFault(.damaged) { _ = try fields.texts(3) }
        expectFault(.damaged) { _ = try CBORFields(.unsigned(1), of: "a thing") }
        do {
            _ = try fields.unsigned(7)
        } catch {
            #expect(error.description == "field 7 of a thing is no number")
        }
    }
}
