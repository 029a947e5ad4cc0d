/// Little-endian numbers in byte arrays: the byte order of every fixed layout of Lifeboat.
public enum LittleEndian {
    /// Appends `value`, least significant byte first.
    public static func append<Number: FixedWidthInteger>(
        _ value: Number, to bytes: inout [UInt8]
    ) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// Reads a number at `offset`.
    ///
    /// The caller has checked that it is there.
    @inlinable
    public static func load<Number: FixedWidthInteger>(
        _ type: Number.Type, from bytes: UnsafeRawBufferPointer, at offset: Int
    ) -> Number {
        precondition(offset >= 0 && bytes.count - offset >= MemoryLayout<Number>.size)
        return Number(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Number.self))
    }

    /// Reads a number of an array at `offset`.
    ///
    /// The caller has checked that it is there.
    public static func load<Number: FixedWidthInteger>(
        _ type: Number.Type, from bytes: [UInt8], at offset: Int
    ) -> Number {
        bytes.withUnsafeBytes { load(type, from: $0, at: offset) }
    }
}
