import Glibc

/// The lines that come in on a descriptor.
struct DescriptorLines: Sendable {
    private let descriptor: Int32
    private var received: [UInt8] = []

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    /// The next line; `nil` at the end, or where a line is longer than any order.
    mutating func next() -> [UInt8]? {
        var piece = [UInt8](repeating: 0, count: 1 << 14)
        while true {
            if let end = received.firstIndex(of: 0x0A) {
                let line = Array(received[..<end])
                received.removeSubrange(...end)
                return line
            }
            let count = read(descriptor, &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0, received.count < 1 << 24 else { return nil }
            received += piece[..<count]
        }
    }
}
