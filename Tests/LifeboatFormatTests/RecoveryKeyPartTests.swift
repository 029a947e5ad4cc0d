import LifeboatCore
import LifeboatFormat
import LifeboatTesting
import Testing

@Suite struct RecoveryKeyPartTests {
    private let part = Samples.recoveryKeyPart

    @Test(arguments: [(1, 1), (1, 2), (3, 5), (16, 16)]) func `survives as a file and as a code`(
        needed: Int, total: Int
    ) throws {
        for number in 1...total {
            let part = Samples.part(number, needed: needed, total: total)
            #expect(try RecoveryKeyPart(parsing: part.file) == part)
            #expect(part.lines.count == 8 && part.lines.allSatisfy { $0.count <= 50 })
            #expect(
                part.code.allSatisfy {
                    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:".contains($0)
                })
            #expect(try RecoveryKeyPart(parsing: "\n" + part.code + "\n") == part)
        }
    }

    @Test func `takes comments, blanks, other line ends and other case`() throws {
        let text = part.file
        for typed in [
            "# from the safe\r\n\r\n" + text, text.replacing("\n", with: "\r\n"),
            text.replacing("\n", with: "\n  \n  "), text.replacing(" ", with: "  "),
            text.replacing("a", with: "A").replacing("Art", with: "art")
                .replacing("lifeboAt", with: "lifeboat"),
        ] {
            #expect(try RecoveryKeyPart(parsing: typed) == part, "\(typed)")
        }
    }

    @Test func `every single mistyped character is caught or harmless`() {
        for text in [Array(part.file), Array(part.code)] {
            for position in text.indices {
                for character in "01345678bBfgO #\né" where text[position] != character {
                    var typed = text
                    typed[position] = character
                    let parsed = try? RecoveryKeyPart(parsing: String(typed))
                    #expect(parsed == nil || parsed == part, "\(character) at \(position)")
                }
            }
        }
    }

    @Test func `two exchanged neighbours are caught or harmless`() {
        let text = Array(part.file)
        for position in text.indices.dropLast() {
            var typed = text
            typed.swapAt(position, position + 1)
            let parsed = try? RecoveryKeyPart(parsing: String(typed))
            #expect(parsed == nil || parsed == part, "at \(position)")
        }
    }

    @Test(arguments: TestSeeds.scaled(10)) func `a changed digit names its line`(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let line = 1 + random.count(7)
        var lines = part.lines.map { Array($0) }
        // The first word of the second line is no digit; that of the others is their number.
        let places = lines[line].indices.filter { $0 > 3 && lines[line][$0].isHexDigit }
        let place = places[random.count(places.count)]
        let digits = Array("0123456789abcdef").filter { $0 != lines[line][place] }
        lines[line][place] = digits[random.count(digits.count)]
        let message = message(lines.map { String($0) }.joined(separator: "\n"))
        #expect(
            message.hasPrefix(
                line == 1
                    ? "the second line of part 2, \"set ...\", is mistyped"
                    : "line \(line - 1) of part 2 is mistyped"), "\(message)")
    }

    @Test func `names what is wrong`() {
        let lines = part.lines
        func with(_ place: Int, _ line: String) -> String {
            var changed = lines
            changed[place] = line
            return changed.joined(separator: "\n")
        }
        #expect(message("") == message("lifeboat"))
        #expect(message("").hasPrefix("this is no part of a recovery key"))
        #expect(message(with(0, "lifeboat recovery key part")).hasPrefix("this is no part"))
        #expect(message(with(0, "lifeboat recovery key part x")).hasPrefix("this is no part"))
        #expect(message(with(0, lines[0] + " 1")).hasPrefix("this is no part"))
        #expect(
            message(RecoveryKeyText.file(Samples.recoveryKey))
                == "this is a whole recovery key, not a part of one")
        #expect(
            message(RecoveryKeyText.code(Samples.recoveryKey))
                == "this is a whole recovery key, not a part of one")
        #expect(
            message(with(0, "lifeboat recovery key part 3"))
                == "the first line says part 3, the second says part 2")
        #expect(message(lines[0]).hasPrefix("the second line of part 2"))
        #expect(message(lines.dropLast().joined(separator: "\n")).hasPrefix("line 6 of part 2"))
        #expect(
            message(part.file + "7 something")
                == "there is something behind line 6 of part 2")
        #expect(message(part.file + part.file) == "there is something behind line 6 of part 2")
        for foreign in [Samples.part(3), Samples.part(2, set: 0x5f3b), Samples.part(2, needed: 2)] {
            #expect(message(with(4, foreign.lines[4])).hasPrefix("line 3 of part 2 is mistyped"))
        }
        for wrong in [
            String(part.code.dropLast()), String(part.code.dropLast(2)), part.code + "00",
            part.code + "\n" + part.code,
        ] {
            expectFault(.wrongKey, "\(wrong)") { _ = try RecoveryKeyPart(parsing: wrong) }
        }
    }

    /// The checksums are right, but no splitting makes such numbers.
    @Test(arguments: [
        "set 5f3a part 4 of 3 needed 2 0005", "set 5f3a part 1 of 3 needed 4 0ee0",
        "set 5f3a part 0 of 3 needed 2 caf4", "set 5f3a part 1 of 17 needed 2 d951",
        "set 5f3a part 1 of 3 needed 0 d220", "set 5f3a part 1 of 300 needed 2 0000",
        "set 5f3a part 1 of -3 needed 2 0000", "set 5f3a part 99999999999999999999 of 3 needed 2 0",
    ]) func `refuses numbers that cannot be`(line: String) {
        let number = line.split(separator: " ")[3]
        #expect(
            message("lifeboat recovery key part \(number)\n\(line)\n").contains("part"))
        expectFault(.wrongKey) {
            _ = try RecoveryKeyPart(parsing: "lifeboat recovery key part \(number)\n\(line)\n")
        }
    }

    @Test func `a part is no recovery key`() {
        for text in [part.file, part.code] {
            do {
                _ = try RecoveryKeyText.parse(text)
                Issue.record("was taken")
            } catch {
                #expect(error.code == .wrongKey)
                #expect(error.message == "this is one part of a recovery key")
            }
        }
    }

    private func message(_ text: String) -> String {
        do {
            _ = try RecoveryKeyPart(parsing: text)
            return "was taken"
        } catch {
            #expect(error.code == .wrongKey)
            return error.message
        }
    }
}

@Suite struct RecoveryKeyPartSetTests {
    private func message(_ parts: RecoveryKeyPart...) -> String {
        do {
            _ = try RecoveryKeyPartSet(parts.enumerated().map { ("file \($0.offset)", $0.element) })
            return "was taken"
        } catch {
            #expect(error.code == .refused)
            return error.description
        }
    }

    @Test func `takes as many as are needed, or more, in any order`() throws {
        for numbers in [[1, 2, 3], [5, 2, 4], [3, 1, 5, 2, 4]] {
            let set = try RecoveryKeyPartSet(numbers.map { ("x", Samples.part($0)) })
            #expect(set.parts.map(\.number) == numbers)
            #expect(set.needed == 3 && set.total == 5 && set.set == "5f3a")
            #expect(set.repository == Samples.identifier(1))
        }
    }

    @Test func `says how many are missing`() {
        #expect(message(Samples.part(1)).hasPrefix("2 more of the 5 parts are needed: 1 given"))
        #expect(
            message(Samples.part(1), Samples.part(4))
                .hasPrefix("1 more of the 5 parts is needed: 2 given, 3 make"))
        #expect(message() == "no part of a recovery key is given")
    }

    @Test func `refuses the same part twice`() {
        let text = message(Samples.part(1), Samples.part(2), Samples.part(1))
        #expect(text == "file 2: part 1 is given twice, also as file 0")
    }

    @Test(arguments: [
        Samples.part(2, set: 0x5f3b), Samples.part(2, needed: 2), Samples.part(2, total: 6),
        Samples.part(2, repository: 9), Samples.part(1, set: 1),
    ]) func `refuses parts of different sets`(other: RecoveryKeyPart) {
        let text = message(Samples.part(1), other, Samples.part(3))
        #expect(text.hasPrefix("file 1: the part is of another set ("), "\(text)")
        #expect(text.contains("than file 0 (5f3a, 3 of 5, repository 01010101)"), "\(text)")
    }
}
