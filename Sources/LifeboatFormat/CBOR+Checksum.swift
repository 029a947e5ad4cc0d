import LifeboatCore

extension CBOR {
    /// A map of the encoded content, field 1, and its CRC-32, field 2: for what nobody signs.
    static func checksummed(_ value: CBOR) -> CBOR { checksummed(content: value.encoded()) }

    /// The same of content that is encoded already, rightly or not.
    public static func checksummed(content: [UInt8]) -> CBOR {
        .map([1: .bytes(content), 2: .unsigned(UInt64(CRC32.checksum(content)))])
    }
}

extension CBORFields {
    /// The fields of a content whose checksum is right.
    init(checksummed payload: CBOR, of subject: String) throws(LifeboatError) {
        let frame = try CBORFields(payload, of: subject)
        let content = try frame.bytes(1)
        guard try frame.unsigned(2) == UInt64(CRC32.checksum(content)) else {
            throw LifeboatError(.damaged, "the checksum of \(subject) is wrong", subject: subject)
        }
        let value: CBOR
        do throws(LifeboatError) {
            value = try CBOR.decode(content)
        } catch {
            throw error.about(subject)
        }
        try self.init(value, of: subject)
    }
}
