public import LifeboatCore

/// An object that is named by the SHA-256 of its bytes, hence never under the same name twice.
///
/// Source: formats/log.md, "References".
public struct ObjectReference: Hashable, Sendable, Comparable {
    /// What it is.
    ///
    /// On disk: never change.
    public enum Kind: UInt8, Sendable, CaseIterable {
        case pack = 1
        case indexRun = 2
        case pointBody = 3
    }

    public var kind: Kind
    public var digest: Digest

    public init(_ kind: Kind, _ digest: Digest) {
        self.kind = kind
        self.digest = digest
    }

    public static func < (left: ObjectReference, right: ObjectReference) -> Bool {
        left.kind != right.kind
            ? left.kind.rawValue < right.kind.rawValue : left.digest < right.digest
    }

    /// A byte string of 33 bytes for each: the kind, then the digest.
    static func payload(_ references: [ObjectReference]) -> CBOR {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(references.count * 33)
        for reference in references {
            bytes.append(reference.kind.rawValue)
            bytes += reference.digest.bytes
        }
        return .bytes(bytes)
    }

    static func list(
        _ bytes: [UInt8], subject: String
    ) throws(LifeboatError) -> [ObjectReference] {
        guard bytes.count.isMultiple(of: 33) else {
            throw LifeboatError(.damaged, "\(subject) has a cut reference", subject: subject)
        }
        var result: [ObjectReference] = []
        result.reserveCapacity(bytes.count / 33)
        for start in stride(from: 0, to: bytes.count, by: 33) {
            guard let kind = Kind(rawValue: bytes[start]) else {
                throw LifeboatError(
                    .unsupported, "\(subject) refers to an object of kind \(bytes[start])",
                    subject: subject)
            }
            let digest = bytes.withUnsafeBytes { Digest(loading: $0, at: start + 1) }
            result.append(ObjectReference(kind, digest))
        }
        return result
    }
}
