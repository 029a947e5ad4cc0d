public import LifeboatCore

extension RecoveryKeyPart {
    /// Reads a part's file or the text of its QR code.
    ///
    /// - Throws: `.wrongKey` that names the line that cannot be right.
    public init(parsing text: String) throws(LifeboatError) {
        let rows = ChecksummedLine.lines(of: text)
        if rows.count == 1, Self.isCode(rows[0]) {
            self = try Self.decode(code: rows[0])
            return
        }
        let words = rows.first.map { $0.split(separator: " ") } ?? []
        guard let first = rows.first, Self.isTitle(first), words.count == 5,
            let titled = Self.decimal(words[4])
        else { throw Self.foreign(rows.first) }
        guard rows.count > 1, let header = Header(rows[1]) else {
            throw LifeboatError(
                .wrongKey, "the second line of part \(titled), \"set ...\", is mistyped",
                advice: Self.comparison)
        }
        guard header.number == titled else {
            throw LifeboatError(
                .wrongKey,
                "the first line says part \(titled), the second says part \(header.number)",
                advice: Self.comparison)
        }
        var content: [UInt8] = []
        for line in 1...6 {
            guard rows.count > line + 1,
                let bytes = ChecksummedLine.parse(
                    rows[line + 1], line, context: header.context(line))
            else {
                throw LifeboatError(
                    .wrongKey,
                    "line \(line) of part \(titled) is mistyped, missing or of another part",
                    advice: Self.comparison)
            }
            content += bytes
        }
        guard rows.count == 8, let part = header.part(content) else {
            throw LifeboatError(
                .wrongKey, "there is something behind line 6 of part \(titled)",
                advice: "one file holds one part")
        }
        self = part
    }

    static func isTitle(_ line: Substring) -> Bool {
        line.split(separator: " ").starts(with: titleWords) { $0 == $1 }
    }

    static func isCode(_ line: Substring) -> Bool { line.hasPrefix(codePrefix) }

    private static let comparison = "compare it with the printed page"

    private static func foreign(_ line: Substring?) -> LifeboatError {
        if let line,
            line.hasPrefix(RecoveryKeyText.title)
                || line.hasPrefix(RecoveryKeyText.codePrefix)
        {
            return LifeboatError(.wrongKey, "this is a whole recovery key, not a part of one")
        }
        let title = titleWords.joined(separator: " ")
        return LifeboatError(
            .wrongKey,
            "this is no part of a recovery key: it should begin with \"\(title)\" and its number",
            advice: "give a file that key split wrote, or type the eight lines into one")
    }

    private static func decode(code: Substring) throws(LifeboatError) -> RecoveryKeyPart {
        let digits = code.dropFirst(codePrefix.count).filter { $0 != " " }
        guard let bytes = Hex.decode(digits), bytes.count == 5 + 16 + 80 + 2,
            ChecksummedLine.checksum(Array(bytes.dropLast(2))) == Hex.encode(bytes.suffix(2)),
            let header = Header(
                set: UInt16(bytes[0]) << 8 | UInt16(bytes[1]), number: Int(bytes[2]),
                needed: Int(bytes[3]), total: Int(bytes[4])),
            let part = header.part(Array(bytes[5..<101]))
        else {
            throw LifeboatError(.wrongKey, "the code of a recovery key's part is incomplete")
        }
        return part
    }

    /// A number as it is written: no sign and no zeros in front.
    private static func decimal(_ word: Substring) -> Int? {
        guard let value = Int(word), String(value) == word, value >= 0 else { return nil }
        return value
    }

    /// Which part of which set it is.
    private struct Header {
        var set: UInt16
        var number: Int
        var needed: Int
        var total: Int

        init?(set: UInt16, number: Int, needed: Int, total: Int) {
            guard 1...largestCount ~= total, 1...total ~= number, 1...total ~= needed else {
                return nil
            }
            self.set = set
            self.number = number
            self.needed = needed
            self.total = total
        }

        /// Reads `set 5f3a part 2 of 5 needed 3` and its checksum.
        init?(_ line: Substring) {
            let words = line.split(separator: " ")
            guard words.count == 9, words[0] == "set", words[2] == "part", words[4] == "of",
                words[6] == "needed", let set = Hex.decode(words[1]), set.count == 2,
                let number = decimal(words[3]), let total = decimal(words[5]),
                let needed = decimal(words[7])
            else { return nil }
            self.init(
                set: UInt16(set[0]) << 8 | UInt16(set[1]), number: number, needed: needed,
                total: total)
            guard ChecksummedLine.checksum(context(0)) == words[8].lowercased() else { return nil }
        }

        func context(_ line: Int) -> [UInt8] {
            RecoveryKeyPart.context(
                set: set, number: number, needed: needed, total: total, line: line)
        }

        /// The part, of the repository's identifier and its own bytes.
        func part(_ content: [UInt8]) -> RecoveryKeyPart? {
            guard content.count == 96, let repository = Identifier(Array(content[..<16])) else {
                return nil
            }
            return RecoveryKeyPart(
                set: set, number: number, needed: needed, total: total, repository: repository,
                bytes: Array(content[16...]))
        }
    }
}
