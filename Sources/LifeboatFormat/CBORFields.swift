public import LifeboatCore

/// The fields of a CBOR map, read with errors that name the object and the field.
public struct CBORFields {
    private let fields: [UInt64: CBOR]
    private let subject: String

    /// Reads `value` as a map.
    ///
    /// `subject` names the object in errors.
    public init(_ value: CBOR, of subject: String) throws(LifeboatError) {
        guard case .map(let fields) = value else {
            throw LifeboatError(.damaged, "\(subject) is not a map", subject: subject)
        }
        self.fields = fields
        self.subject = subject
    }

    private func fault(_ key: UInt64, _ what: String) -> LifeboatError {
        LifeboatError(.damaged, "field \(key) of \(subject) \(what)", subject: subject)
    }

    /// Whether the field is there.
    public func has(_ key: UInt64) -> Bool { fields[key] != nil }

    public func unsigned(_ key: UInt64) throws(LifeboatError) -> UInt64 {
        guard case .unsigned(let value)? = fields[key] else { throw fault(key, "is no number") }
        return value
    }

    /// A number that fits an `Int` and does not exceed `limit`.
    public func count(_ key: UInt64, upTo limit: Int) throws(LifeboatError) -> Int {
        let value = try unsigned(key)
        guard value <= UInt64(limit) else { throw fault(key, "is \(value), above \(limit)") }
        return Int(value)
    }

    public func text(_ key: UInt64) throws(LifeboatError) -> String {
        guard case .text(let value)? = fields[key] else { throw fault(key, "is no text") }
        return value
    }

    public func boolean(_ key: UInt64) throws(LifeboatError) -> Bool {
        guard case .boolean(let value)? = fields[key] else { throw fault(key, "is no boolean") }
        return value
    }

    /// A byte string, of exactly `count` bytes where one is given.
    public func bytes(_ key: UInt64, count: Int? = nil) throws(LifeboatError) -> [UInt8] {
        guard case .bytes(let value)? = fields[key] else { throw fault(key, "is no byte string") }
        if let count, value.count != count {
            throw fault(key, "has \(value.count) bytes instead of \(count)")
        }
        return value
    }

    public func digest(_ key: UInt64) throws(LifeboatError) -> Digest {
        guard let digest = Digest(try bytes(key)) else { throw fault(key, "is no digest") }
        return digest
    }

    public func identifier(_ key: UInt64) throws(LifeboatError) -> Identifier {
        guard let value = Identifier(try bytes(key)) else { throw fault(key, "is no identifier") }
        return value
    }

    public func array(_ key: UInt64) throws(LifeboatError) -> [CBOR] {
        guard case .array(let values)? = fields[key] else { throw fault(key, "is no list") }
        return values
    }

    /// A list of digests; an absent field is an empty list.
    public func digests(_ key: UInt64) throws(LifeboatError) -> [Digest] {
        guard has(key) else { return [] }
        var result: [Digest] = []
        for value in try array(key) {
            guard case .bytes(let bytes) = value, let digest = Digest(bytes) else {
                throw fault(key, "holds something that is no digest")
            }
            result.append(digest)
        }
        return result
    }

    /// Digests that stand behind each other in one byte string; an absent field is an empty list.
    public func joinedDigests(_ key: UInt64) throws(LifeboatError) -> [Digest] {
        guard has(key) else { return [] }
        let bytes = try bytes(key)
        guard bytes.count.isMultiple(of: Digest.byteCount) else {
            throw fault(key, "holds a cut digest")
        }
        return bytes.withUnsafeBytes { raw in
            stride(from: 0, to: raw.count, by: Digest.byteCount).map {
                Digest(loading: raw, at: $0)
            }
        }
    }

    /// A list of identifiers; an absent field is an empty list.
    public func identifiers(_ key: UInt64) throws(LifeboatError) -> [Identifier] {
        guard has(key) else { return [] }
        var result: [Identifier] = []
        for value in try array(key) {
            guard case .bytes(let bytes) = value, let identifier = Identifier(bytes) else {
                throw fault(key, "holds something that is no identifier")
            }
            result.append(identifier)
        }
        return result
    }

    /// A list of references; an absent field is an empty list.
    func references(_ key: UInt64) throws(LifeboatError) -> [ObjectReference] {
        guard has(key) else { return [] }
        return try ObjectReference.list(bytes(key), subject: subject)
    }

    /// A list of texts; an absent field is an empty list.
    public func texts(_ key: UInt64) throws(LifeboatError) -> [String] {
        guard has(key) else { return [] }
        var result: [String] = []
        for value in try array(key) {
            guard case .text(let text) = value else {
                throw fault(key, "holds something that is no text")
            }
            result.append(text)
        }
        return result
    }
}

extension CBOR {
    static func digests(_ digests: [Digest]) -> CBOR { .array(digests.map { .bytes($0.bytes) }) }
    static func identifiers(_ identifiers: [Identifier]) -> CBOR {
        .array(identifiers.map { .bytes($0.bytes) })
    }
    /// One byte string of all digests.
    static func joined(_ digests: [Digest]) -> CBOR {
        var bytes = [UInt8](repeating: 0, count: digests.count * Digest.byteCount)
        bytes.withUnsafeMutableBytes { raw in
            for (index, digest) in digests.enumerated() {
                digest.store(into: raw, at: index * Digest.byteCount)
            }
        }
        return .bytes(bytes)
    }
    static func texts(_ texts: [String]) -> CBOR { .array(texts.map { .text($0) }) }
    static func size(_ value: Int) -> CBOR { .unsigned(UInt64(value)) }
}
