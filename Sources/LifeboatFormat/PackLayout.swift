public import LifeboatCore

/// The fixed parts of a pack.
///
/// Source: formats/pack.md.
public enum PackLayout {
    /// What a pack's frames hold.
    ///
    /// On disk: never change.
    public enum Content: UInt8, Sendable {
        /// Chunks, sealed to the recovery key.
        case data = 1
        /// Block map nodes, sealed under the domain's secret.
        case metadata = 2
    }

    /// Prefix (8), repository (16), domain (16), salt (32).
    public static let headerByteCount = 72
    public static let saltByteCount = 32
    /// An encapsulation (1,120 bytes) and the 32-byte frame key sealed with it (48).
    public static let dataKeyByteCount = 1168
    /// A salt.
    public static let metadataKeyByteCount = 32
    /// The sealed trailer: the directory's offset (8), zero (8), and the seal's tag (16).
    public static let trailerByteCount = 32
    public static let tagByteCount = 16
    /// Frames and directory together; a pack closes before it exceeds this by a frame.
    public static let targetByteCount = 32 << 20
    /// No pack is larger: a frame beyond the target, and its padding.
    public static let byteLimit = 64 << 20
    /// Plain bytes of the largest frame.
    public static let frameByteLimit = 4 << 20
    public static let frameLimit = 65_535
    public static let slotLimit = 65_535

    /// The first bytes of a pack; the byte after the content is the number of keys.
    public static func header(
        _ content: Content, keyCount: Int, repository: Identifier, domain: Identifier,
        salt: [UInt8]
    ) -> [UInt8] {
        ObjectKind.pack.prefix(content.rawValue, UInt8(keyCount))
            + repository.bytes + domain.bytes + salt
    }

    /// What a frame's seal authenticates besides its content, wherever the frame stands.
    ///
    /// `LBFR`, repository (16), key id (32), counter (8, little-endian).
    public static func frameAssociatedData(
        repository: Identifier, keyID: Digest, counter: UInt64
    ) -> [UInt8] {
        var bytes = Array("LBFR".utf8) + repository.bytes + keyID.bytes
        LittleEndian.append(counter, to: &bytes)
        return bytes
    }

    // The labels under which keys are derived. On disk: never change.
    public static let directoryLabel = "lifeboat pack directory"
    public static let metadataLabel = "lifeboat metadata frame"
    /// HPKE info of a data frame key, followed by repository and domain.
    public static let frameKeyLabel = "lifeboat frame key"
    public static let trailerCounter: UInt64 = 0
    public static let directoryCounter: UInt64 = 1
}

/// The clear part of a pack, taken apart.
public struct PackHeader: Sendable {
    public let content: PackLayout.Content
    public let repository: Identifier
    public let domain: Identifier
    public let salt: [UInt8]
    public let keyCount: Int

    /// The header's bytes, which directory and trailer authenticate.
    public let bytes: [UInt8]

    /// Where the first frame may begin.
    public var framesOffset: Int {
        PackLayout.headerByteCount + keyCount * keyByteCount
    }

    /// Bytes of one entry of the key table.
    public var keyByteCount: Int {
        content == .data ? PackLayout.dataKeyByteCount : PackLayout.metadataKeyByteCount
    }

    /// Decodes the first 72 bytes of a pack.
    public init(decoding bytes: [UInt8], subject: String) throws(LifeboatError) {
        try ObjectKind.pack.check(bytes, subject: subject)
        guard bytes.count >= PackLayout.headerByteCount,
            let content = PackLayout.Content(rawValue: bytes[6]), bytes[7] >= 1,
            let repository = Identifier(Array(bytes[8..<24])),
            let domain = Identifier(Array(bytes[24..<40]))
        else {
            throw LifeboatError(.damaged, "\(subject) has a malformed header", subject: subject)
        }
        self.content = content
        self.repository = repository
        self.domain = domain
        keyCount = Int(bytes[7])
        salt = Array(bytes[40..<72])
        self.bytes = Array(bytes[0..<PackLayout.headerByteCount])
    }
}
