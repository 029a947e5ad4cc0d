/// The sizes that objects are padded to, so that a store learns little from them.
///
/// 64 classes an octave: at most 1.6 % padding, 0.5 % on average; at 32 MiB 256 KiB, hence 0.8 %.
/// Source: formats/README.md, "Padding"; the idea is PADMÉ's (Nikitin et al., PETS 2019).
public enum SizeClass {
    /// Nothing is padded to less than this many bytes.
    public static let smallest = 1024

    /// The smallest class that holds `byteCount` bytes.
    public static func padded(_ byteCount: Int) -> Int {
        guard byteCount > smallest else { return smallest }
        let exponent = Int.bitWidth - 1 - byteCount.leadingZeroBitCount
        let step = 1 << (exponent - 6)
        return (byteCount + step - 1) & ~(step - 1)
    }
}
