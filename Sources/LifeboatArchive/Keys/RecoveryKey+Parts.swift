import LifeboatCodec
public import LifeboatCore
public import LifeboatFormat

extension RecoveryKey {
    /// Splits the key into parts; any `needed` of them give it back, fewer tell nothing about it.
    public func split(needed: Int, of total: Int) -> [RecoveryKeyPart] {
        let random = randomBytes(2)
        let set = UInt16(random[0]) << 8 | UInt16(random[1])
        return KeySplitting.split(secret, needed: needed, of: total).map { part in
            RecoveryKeyPart(
                set: set, number: part.number, needed: needed, total: total,
                repository: repository, bytes: part.bytes.withBytes { Array($0) })
        }
    }

    /// Joins parts to the key that they were made of.
    ///
    /// - Throws: `.wrongKey` when they do not fit together.
    public init(joining set: RecoveryKeyPartSet) throws(LifeboatError) {
        let parts = set.parts.map {
            KeySplitting.Part(number: $0.number, bytes: SecretBytes($0.bytes))
        }
        let secret = try KeySplitting.join(parts, needed: set.needed)
        let named = secret.withBytes { Identifier(Array($0.prefix(16))) }
        guard secret.count == RecoveryKeyText.byteCount, named == set.repository else {
            throw LifeboatError(
                .wrongKey, "the parts make the recovery key of another repository",
                advice: "a part has been changed; try others of the set")
        }
        repository = set.repository
        seed = secret.withBytes {
            SecretBytes(copying: UnsafeRawBufferPointer(rebasing: $0[16..<48]))
        }
        root = try SigningKey(
            seed: secret.withBytes {
                SecretBytes(copying: UnsafeRawBufferPointer(rebasing: $0[48..<80]))
            })
    }

    private var secret: SecretBytes { SecretBytes(bytes) }
}
