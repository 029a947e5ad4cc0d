import LifeboatCore

/// The one source of chance in a schedule, which its seed fixes (SplitMix64).
struct Randomness: Sendable {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        return Self.mixed(state)
    }

    static func mixed(_ value: UInt64) -> UInt64 {
        var word = value
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }

    /// A number from 0 to `count - 1`.
    mutating func below(_ count: Int) -> Int {
        Int(truncatingIfNeeded: ((next() >> 32) &* UInt64(count)) >> 32)
    }

    /// Whether something happens that happens `times` in 1000.
    mutating func chance(_ times: Int) -> Bool { times > 0 && below(1000) < times }

    mutating func among<Choice>(_ choices: [Choice]) -> Choice { choices[below(choices.count)] }

    /// Often short, seldom long: from 1 to about `limit`.
    mutating func span(_ limit: Int) -> Int { 1 + below(1 + below(limit)) }
}

/// Names for the simulated objects: unique, and mixed, so that their order means nothing.
enum SimulatedName {
    static func digest(_ number: UInt64) -> Digest {
        Digest(Randomness.mixed(number), number, 0, 1)
    }

    /// Stands for SHA-256: equal bytes give equal digests, and in practice only they.
    static func digest(of bytes: [UInt8]) -> Digest {
        var (first, second) = (UInt64(bytes.count), 0x1234_5678 as UInt64)
        bytes.withUnsafeBytes { raw in
            var offset = 0
            while offset + 8 <= raw.count {
                let word = raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                first = (first ^ word) &* 0x9E37_79B9_7F4A_7C15
                first ^= first >> 29
                second = (second &+ word) &* 0xBF58_476D_1CE4_E5B9
                second ^= second >> 32
                offset += 8
            }
            while offset < raw.count {
                first = (first ^ UInt64(raw[offset])) &* 0x9E37_79B9_7F4A_7C15
                second = (second &+ UInt64(raw[offset])) &* 0x94D0_49BB_1331_11EB
                offset += 1
            }
        }
        return Digest(Randomness.mixed(first), Randomness.mixed(second), first, second)
    }
}
