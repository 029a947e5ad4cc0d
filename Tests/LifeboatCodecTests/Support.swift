import LifeboatCore
import Testing

/// The bytes of hexadecimal text, in which spaces and line ends do not count.
func hex(_ text: String) throws -> [UInt8] {
    try #require(Hex.decode(text.filter { !$0.isWhitespace }))
}

/// Bytes that look random and are the same each time.
func noise(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var state = seed &* 0x9E37_79B9_7F4A_7C15
    return (0..<count).map { _ in
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return UInt8(truncatingIfNeeded: state >> 32)
    }
}

/// Expects an error of this code.
func expect(
    _ code: LifeboatError.Code, sourceLocation: SourceLocation = #_sourceLocation,
    from body: () throws -> Void
) {
    let error = #expect(throws: LifeboatError.self, sourceLocation: sourceLocation) { try body() }
    #expect(error?.code == code, sourceLocation: sourceLocation)
}
