import LifeboatTesting

/// Damages valid inputs: a fuzzer for where there is no other one.
struct Mutator {
    private let samples: [[UInt8]]
    private var random: SeededGenerator

    /// One seed, one input.
    init(_ samples: [[UInt8]], seed: UInt64) {
        self.samples = samples.isEmpty ? [[]] : samples
        random = SeededGenerator(seed: seed)
    }

    private mutating func below(_ limit: Int) -> Int { Int(random.next() % UInt64(max(1, limit))) }

    /// An input of one to eight changes.
    mutating func input() -> [UInt8] {
        var bytes = samples[below(samples.count)]
        for _ in 0..<1 + below(8) { change(&bytes) }
        return bytes
    }

    private mutating func change(_ bytes: inout [UInt8]) {
        guard !bytes.isEmpty else {
            bytes = random.bytes(below(64))
            return
        }
        let position = below(bytes.count)
        let length = min(bytes.count - position, 1 + below(16))
        switch below(8) {
        case 0: bytes[position] ^= UInt8(1 << below(8))
        case 1: bytes[position] = UInt8(below(256))
        case 2: bytes.insert(contentsOf: random.bytes(1 + below(16)), at: position)
        case 3: bytes.removeSubrange(position..<position + length)
        case 4: bytes.insert(contentsOf: Array(bytes[position..<position + length]), at: position)
        case 5: bytes.removeSubrange(position...)
        case 6:
            // The numbers at which things overflow.
            let number = [0, 1, 0x7F, 0x80, 0xFF][below(5)]
            for index in position..<position + min(length, 8) { bytes[index] = UInt8(number) }
        default:
            let other = samples[below(samples.count)]
            bytes = Array(bytes[0..<position]) + other.dropFirst(below(other.count + 1))
        }
    }
}
