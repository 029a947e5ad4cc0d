import Lifeboat
import LifeboatCore
import Testing

@testable import LifeboatCommand

@Suite struct RecoveryPageTests {
    @Test func `the page has all that is needed, and nothing from elsewhere`() throws {
        let result = Samples.initialisation
        let html = try RecoveryPage(result, time: Samples.time).html()
        for line in result.recoveryKeyLines { #expect(html.contains("<li>\(line)</li>")) }
        #expect(html.contains(result.repository.hex) && html.contains(result.fingerprint))
        #expect(html.contains("2026-01-02") && html.contains("lifeboat recovery key 0"))
        #expect(html.contains("/mnt/&lt;backup&gt;") && !html.contains("<backup>"))
        let elsewhere = html.replacing("http://www.w3.org/2000/svg", with: "")
        #expect(!elsewhere.contains("http") && !html.contains("src=") && !html.contains("url("))
    }

    @Test func `the code is a whole qr code`() throws {
        let code = try QRCode(Samples.initialisation.recoveryKeyCode)
        #expect(code.width >= 21 && (code.width - 21).isMultiple(of: 4))
        #expect(code.modules.count == code.width * code.width)
        // The three finder patterns: a dark ring, a light ring, a dark square of three.
        let last = code.width - 7
        for (left, top) in [(0, 0), (last, 0), (0, last)] {
            for row in 0..<7 {
                for column in 0..<7 {
                    let ring = max(abs(row - 3), abs(column - 3))
                    #expect(code.isDark(column: left + column, row: top + row) == (ring != 2))
                }
            }
        }
        // The timing pattern between them alternates.
        for column in 8..<code.width - 8 {
            #expect(code.isDark(column: column, row: 6) == column.isMultiple(of: 2))
        }
    }

    @Test func `the drawing covers every dark module once`() throws {
        let code = try QRCode("LIFEBOAT")
        var drawn = 0
        for part in code.svg.split(separator: "h").dropFirst() {
            guard let length = Int(part.prefix { $0.isNumber }), part.contains("v1") else {
                continue
            }
            drawn += length
        }
        #expect(drawn == code.modules.count { $0 })
        #expect(code.svg.contains("viewBox=\"0 0 \(code.width + 8) \(code.width + 8)\""))
    }

    @Test func `refuses what does not fit`() {
        #expect(throws: LifeboatError.self) { try QRCode(String(repeating: "x", count: 4000)) }
    }
}
