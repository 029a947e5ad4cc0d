/// Arithmetic on bytes in GF(2⁸) with the polynomial x⁸ + x⁴ + x³ + x + 1; addition is `^`.
///
/// Neither a branch nor an address depends on a value.
enum GaloisField {
    static func product(_ left: UInt8, _ right: UInt8) -> UInt8 {
        var result: UInt8 = 0
        var power = left
        for bit in 0..<8 {
            result ^= power & (0 &- (right >> bit & 1))
            power = power << 1 ^ (0x1b & (0 &- (power >> 7)))
        }
        return result
    }

    /// The inverse of a number that is not 0; for 0 it is 0.
    static func inverse(_ value: UInt8) -> UInt8 {
        // The 254th power: the group of all numbers but 0 has 255 elements.
        var result: UInt8 = 1
        var power = value
        for _ in 0..<7 {
            power = product(power, power)
            result = product(result, power)
        }
        return result
    }
}
