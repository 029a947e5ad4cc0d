public import LifeboatCodec
public import LifeboatCore
import LifeboatFormat
import LifeboatSystem

/// A secret that wraps a writer's keys.
public enum WrappingSecret: Sendable {
    case password(SecretBytes)
    /// The 32 bytes of a key file.
    case keyFile(SecretBytes)
}

/// Makes and opens key slots.
///
/// Source: formats/keys.md, "Key slots".
enum KeySlotWrapping {
    /// scrypt with 64 MiB: half a second of work a guess, and within every memory setting.
    static let passwordWrapping = KeySlot.Wrapping.password(
        logCost: 16, blockSize: 8, parallelism: 1)

    static func wrap(
        _ keys: WriterKeys, by secret: WrappingSecret, label: String, created: UInt64
    ) throws(LifeboatError) -> KeySlot {
        let wrapping: KeySlot.Wrapping =
            switch secret {
            case .password: passwordWrapping
            case .keyFile: .keyFile
            }
        var slot = KeySlot(
            id: .random(), wrapping: wrapping, salt: randomBytes(32), created: created,
            sealedKeys: [], sealedLabel: [])
        let cipher = FrameCipher(key: try wrappingKey(secret, slot))
        slot.sealedKeys = cipher.seal(
            counter: 0, associatedData: slot.associatedData, plain: keys.encoded)
        slot.sealedLabel = labelCipher(keys.domainSecret, slot).seal(
            counter: 0, associatedData: slot.associatedData + Array("label".utf8),
            plain: keys.writer.bytes + Array(label.utf8))
        return slot
    }

    /// Opens a slot; `nil` when this secret does not fit it.
    static func unwrap(
        _ slot: KeySlot, with secret: WrappingSecret
    ) throws(LifeboatError) -> WriterKeys? {
        switch (slot.wrapping, secret) {
        case (.password, .password), (.keyFile, .keyFile): break
        default: return nil
        }
        let cipher = FrameCipher(key: try wrappingKey(secret, slot))
        guard
            let plain = try? cipher.open(
                counter: 0, associatedData: slot.associatedData, sealed: slot.sealedKeys)
        else { return nil }
        return try WriterKeys(decoding: plain)
    }

    /// Whose keys a slot holds, and its label; `nil` when none of the domains opens it.
    static func label(
        of slot: KeySlot, _ domains: some Sequence<DomainKeys>
    ) -> (member: Identifier, text: String)? {
        for domain in domains {
            let plain = try? labelCipher(domain.secret, slot).open(
                counter: 0, associatedData: slot.associatedData + Array("label".utf8),
                sealed: slot.sealedLabel)
            guard let plain, plain.count >= 16, let member = Identifier(Array(plain[0..<16]))
            else { continue }
            return (member, String(decoding: plain[16...], as: UTF8.self))
        }
        return nil
    }

    private static func labelCipher(_ domainSecret: SecretBytes, _ slot: KeySlot) -> FrameCipher {
        FrameCipher(
            key: KeyDerivation.hkdf(
                secret: domainSecret, salt: slot.salt, info: "lifeboat key label"))
    }

    private static func wrappingKey(
        _ secret: WrappingSecret, _ slot: KeySlot
    ) throws(LifeboatError) -> SecretBytes {
        switch (slot.wrapping, secret) {
        case (.password(let logCost, let blockSize, let parallelism), .password(let password)):
            return try KeyDerivation.scrypt(
                password: password, salt: slot.salt, logCost: logCost, blockSize: blockSize,
                parallelism: parallelism)
        case (_, .keyFile(let bytes)), (_, .password(let bytes)):
            return KeyDerivation.hkdf(secret: bytes, salt: slot.salt, info: "lifeboat key file")
        }
    }
}

/// Key files: a title and 64 hexadecimal digits.
///
/// Source: formats/keys.md, "Key files".
public enum KeyFile {
    static let title = "lifeboat key file 0"

    /// Writes a new key file, readable by its owner only, never over an existing one.
    public static func create(_ path: String) throws(LifeboatError) -> SecretBytes {
        let bytes = randomBytes(32)
        let text = title + "\n" + Hex.encode(bytes) + "\n"
        try Files.writeAtomically(path, Array(text.utf8), mode: 0o600, replace: false)
        return SecretBytes(bytes)
    }

    public static func read(_ path: String) throws(LifeboatError) -> SecretBytes {
        let text = String(decoding: try Files.readWhole(path, limit: 4096), as: UTF8.self)
        let lines = text.split(whereSeparator: \.isNewline)
        guard lines.count == 2, lines[0] == title, let bytes = Hex.decode(lines[1]),
            bytes.count == 32
        else {
            throw LifeboatError(
                .wrongKey, "this is no key file: it should begin with \"\(title)\"", subject: path)
        }
        return SecretBytes(bytes)
    }
}
