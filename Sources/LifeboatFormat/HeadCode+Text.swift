public import LifeboatCore

extension HeadCode {
    static let prefix = "LB1"
    /// Crockford's base 32.
    private static let alphabet = Array("0123456789ABCDEFGHJKMNPQRSTVWXYZ")
    /// The greatest prime that two symbols hold.
    private static let modulus = 1021
    private static let tagSymbols = 4
    private static let digestSymbols = 8

    /// `LB1-`, then groups of five symbols, the last two symbols being the check.
    public var text: String {
        var symbols: [Int] = [marks.count]
        Self.append(total, to: &symbols)
        for mark in marks {
            Self.append(UInt64(mark.tag), count: Self.tagSymbols, to: &symbols)
            Self.append(mark.sequence, to: &symbols)
            Self.append(mark.digest, count: Self.digestSymbols, to: &symbols)
        }
        let check = Self.check(symbols[...])
        symbols += [check >> 5, check & 31]
        var text = Self.prefix
        for (index, symbol) in symbols.enumerated() {
            if index.isMultiple(of: 5) { text += "-" }
            text.append(Self.alphabet[symbol])
        }
        return text
    }

    /// Reads a code as people type it: in any case, with or without hyphens and spaces, `O` for 0,
    /// `I` and `L` for 1.
    ///
    /// - Throws: `.usage` when it is mistyped, `.unsupported` when it is of a later version.
    public init(text: String) throws(LifeboatError) {
        let mistyped = LifeboatError(
            .usage, "the head code is mistyped", subject: text,
            advice: "compare it with what repo head printed")
        var symbols: [Int] = []
        // `L` and 1 are the same symbol, so that the prefix is one of symbols.
        for character in text.uppercased() where !"- \t\n".contains(character) {
            let plain: Character =
                switch character {
                case "O": "0"
                case "I", "L": "1"
                default: character
                }
            guard let symbol = Self.alphabet.firstIndex(of: plain) else { throw mistyped }
            symbols.append(symbol)
        }
        guard symbols.count > 5, symbols[0] == 1, symbols[1] == 11 else { throw mistyped }
        guard symbols[2] == 1 else {
            throw LifeboatError(
                .unsupported, "the head code is of a version that this build does not know",
                subject: text)
        }
        let body = symbols[3..<symbols.count - 2]
        let check = symbols[symbols.count - 2] << 5 | symbols[symbols.count - 1]
        guard Self.check(body) == check else { throw mistyped }
        var reader = Reader(symbols: body)
        guard let count = reader.fixed(1), count <= Self.markLimit, let total = reader.number()
        else { throw mistyped }
        self.init(total: total, marks: [])
        for _ in 0..<count {
            guard let tag = reader.fixed(Self.tagSymbols), let sequence = reader.number(),
                let digest = reader.fixed(Self.digestSymbols)
            else { throw mistyped }
            marks.append(
                Mark(tag: UInt32(truncatingIfNeeded: tag), sequence: sequence, digest: digest))
        }
        guard reader.symbols.isEmpty else { throw mistyped }
    }

    /// Four bits a symbol, the most significant first; bit 4 tells that another symbol follows.
    private static func append(_ number: UInt64, to symbols: inout [Int]) {
        let groups = max(1, (64 - number.leadingZeroBitCount + 3) / 4)
        for index in stride(from: groups - 1, through: 0, by: -1) {
            let bits = Int(number >> UInt64(4 * index) & 15)
            symbols.append(index > 0 ? bits | 16 : bits)
        }
    }

    private static func append(_ number: UInt64, count: Int, to symbols: inout [Int]) {
        for index in stride(from: count - 1, through: 0, by: -1) {
            symbols.append(Int(number >> UInt64(5 * index) & 31))
        }
    }

    private static func check(_ symbols: ArraySlice<Int>) -> Int {
        // Begins with 1, so that symbols of value 0 at the front count.
        symbols.reduce(1) { ($0 * 32 + $1) % modulus }
    }

    private struct Reader {
        var symbols: ArraySlice<Int>

        mutating func fixed(_ count: Int) -> UInt64? {
            guard symbols.count >= count else { return nil }
            defer { symbols.removeFirst(count) }
            return symbols.prefix(count).reduce(0) { $0 << 5 | UInt64($1) }
        }

        /// `nil` when it is cut off, longer than 64 bits, or begins with zeros.
        mutating func number() -> UInt64? {
            var number: UInt64 = 0
            for index in 0..<16 {
                guard let symbol = symbols.popFirst() else { return nil }
                if index == 0, symbol == 16 { return nil }
                number = number << 4 | UInt64(symbol & 15)
                if symbol < 16 { return number }
            }
            return nil
        }
    }
}
