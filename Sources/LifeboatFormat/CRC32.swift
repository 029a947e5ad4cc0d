/// The CRC-32 of Ethernet and zlib: notices every error of up to 32 bits in a row.
///
/// Polynomial 0xEDB88320 (reflected), initial value and final xor 0xFFFFFFFF.
enum CRC32 {
    static func checksum(_ bytes: [UInt8]) -> UInt32 {
        var crc: UInt32 = 0xFFFF_FFFF
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 != 0 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
        }
        return ~crc
    }
}
