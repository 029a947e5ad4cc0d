import LifeboatCore
import Testing

@testable import LifeboatFormat

@Suite struct RecoveryKeyTextTests {
    @Test func `survives as a file and as a code`() throws {
        let key = Samples.recoveryKey
        #expect(try RecoveryKeyText.parse(RecoveryKeyText.file(key)) == key)
        let code = RecoveryKeyText.code(key)
        #expect(code.hasPrefix("LIFEBOAT-RECOVERY-KEY-0:000102"))
        #expect(code.allSatisfy { "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:".contains($0) })
        #expect(try RecoveryKeyText.parse(code) == key)
        #expect(try RecoveryKeyText.parse("\n" + code + "\n") == key)
        #expect(
            try RecoveryKeyText.parse(
                code.lowercased().replacing(
                    "lifeboat-recovery-key-0:", with: "LIFEBOAT-RECOVERY-KEY-0:")) == key)
    }

    @Test func `takes comments, blanks and other line ends`() throws {
        let key = Samples.recoveryKey
        let text = RecoveryKeyText.file(key)
        #expect(try RecoveryKeyText.parse("# of the archive\r\n\r\n" + text) == key)
        #expect(try RecoveryKeyText.parse(text.replacing("\n", with: "\r\n")) == key)
        #expect(try RecoveryKeyText.parse(text.replacing("\n", with: "\n  \n  ")) == key)
    }

    @Test func `every single mistyped character is caught or harmless`() {
        let key = Samples.recoveryKey
        let text = Array(RecoveryKeyText.file(key))
        for position in text.indices {
            for character in "0178bBfgO #\né" where text[position] != character {
                var typed = text
                typed[position] = character
                let parsed = try? RecoveryKeyText.parse(String(typed))
                #expect(parsed == nil || parsed == key, "\(character) at \(position)")
            }
        }
    }

    @Test func `two exchanged neighbours are caught or harmless`() {
        let key = Samples.recoveryKey
        let text = Array(RecoveryKeyText.file(key))
        for position in text.indices.dropLast() {
            var typed = text
            typed.swapAt(position, position + 1)
            let parsed = try? RecoveryKeyText.parse(String(typed))
            #expect(parsed == nil || parsed == key, "at \(position)")
        }
    }

    @Test func `names the line that is wrong`() {
        let text = RecoveryKeyText.file(Samples.recoveryKey).replacing("2223", with: "2232")
        do {
            _ = try RecoveryKeyText.parse(text)
            Issue.record("was taken")
        } catch {
            #expect(error.code == .wrongKey)
            #expect(error.message == "line 3 of the recovery key is mistyped")
        }
    }

    @Test func `exchanged, missing and cut lines are caught`() {
        let lines = RecoveryKeyText.file(Samples.recoveryKey).split(separator: "\n")
        var exchanged = lines
        exchanged.swapAt(2, 3)
        let code = RecoveryKeyText.code(Samples.recoveryKey)
        for wrong in [
            "", "lifeboat", lines.dropLast().joined(separator: "\n"),
            lines.dropFirst().joined(separator: "\n"), exchanged.joined(separator: "\n"),
            String(code.dropLast()), String(code.dropLast(2)), code + "00", code + "\n" + code,
        ] {
            expectFault(.wrongKey, "\(wrong)") { _ = try RecoveryKeyText.parse(wrong) }
        }
    }
}

@Suite struct ChangedExtentsTextTests {
    private func parse(_ text: String) throws -> ChangedExtentsText {
        try ChangedExtentsText(parsing: text, subject: "hint")
    }

    @Test func `survives`() throws {
        let text = Samples.changedExtents.text
        #expect(try parse(text) == Samples.changedExtents)
        #expect(try parse(String(text.dropLast())) == Samples.changedExtents)
        var none = Samples.changedExtents
        none.extents = []
        #expect(try parse(none.text) == none)
    }

    @Test(arguments: [
        ("changed-extents 0", "changed-extents 1"), ("base", "bass"), ("volume", "disk"),
        ("size 1000000", "size"), ("size 1000000", "size -1"), ("size 1000000", "size +1000000"),
        ("size 1000000", "size 99999999999999999999"), ("granularity 65536", "granularity 0"),
        ("extents 3", "extents 2"), ("extents 3", "extents 4"),
        ("extents 3", "extents 4194305"), ("0 65536", "0 0"), ("0 65536", "0 65535"),
        ("0 65536", "1 65536"), ("0 65536", "65536"), ("0 65536", "0 65536 1"),
        ("0 65536", "0 196608"), ("0 65536", "+0 65536"), ("0 65536", "0 0x10000"),
        ("0 65536", "262144 65536"), ("983040 16960", "983040 16961"),
        ("983040 16960", "983040 65536"), ("983040 16960", "983040 18446744073709551615"),
        ("983040 16960", "18446744073709486080 65536"), ("\nend\n", "\n"), ("end\n", "end\n1 1\n"),
        ("end\n", "end \n"), ("end\n", "end\n\n"),
    ])
    func `refuses the whole file`(right: String, wrong: String) {
        let text = Samples.changedExtents.text.replacing(right, with: wrong, maxReplacements: 1)
        expectFault(.refused, "\(wrong)") { _ = try parse(text) }
    }

    @Test func `refuses a file that was cut off anywhere`() {
        let text = Samples.changedExtents.text
        for count in 0..<text.count - 1 {
            expectFault(.refused, "\(count) characters") {
                _ = try parse(String(text.prefix(count)))
            }
        }
    }

    @Test func `names the line`() {
        let text = Samples.changedExtents.text.replacing("131072 131072", with: "7 7")
        do {
            _ = try parse(text)
            Issue.record("was taken")
        } catch {
            #expect("\(error)".contains("line 8 of hint"))
        }
    }
}

@Suite struct ChecksumTests {
    @Test func `crc-32 as zlib has it`() {
        #expect(CRC32.checksum(Array("123456789".utf8)) == 0xCBF4_3926)
        #expect(CRC32.checksum([]) == 0)
    }
}
