/// Reads several pieces of memory as one.
struct PieceReader {
    private let pieces: [UnsafeRawBufferPointer]
    let count: Int
    private var index = 0
    private var offset = 0

    init(_ pieces: [UnsafeRawBufferPointer]) {
        self.pieces = pieces
        count = pieces.reduce(0) { $0 + $1.count }
    }

    /// Fills as much of `space` as there are bytes left.
    mutating func read(into space: UnsafeMutableRawBufferPointer) -> Int {
        var filled = 0
        while filled < space.count, index < pieces.count {
            let piece = pieces[index]
            let part = min(space.count - filled, piece.count - offset)
            UnsafeMutableRawBufferPointer(rebasing: space[filled..<(filled + part)])
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: piece[offset..<(offset + part)]))
            filled += part
            offset += part
            if offset == piece.count {
                index += 1
                offset = 0
            }
        }
        return filled
    }

    /// Goes on at `position`; `false` if that lies outside.
    mutating func seek(_ position: Int) -> Bool {
        guard (0...count).contains(position) else { return false }
        index = 0
        offset = position
        while index < pieces.count, offset >= pieces[index].count {
            offset -= pieces[index].count
            index += 1
        }
        return true
    }
}
