import LifeboatCodec
import LifeboatCore
import LifeboatFormat

/// The labels of members: for whoever has the secret of the member's domain.
///
/// Source: formats/keys.md, "Every derived key".
enum MemberLabel {
    private static let saltByteCount = 32

    static func seal(_ label: String, member: Identifier, domain: DomainKeys) -> [UInt8] {
        let salt = randomBytes(saltByteCount)
        return salt
            + domain.cipher("lifeboat member label", salt: salt).seal(
                counter: 0, associatedData: associatedData(member, domain),
                plain: Array(label.utf8))
    }

    /// The label; `nil` when it does not open.
    static func open(
        _ sealed: [UInt8], member: Identifier, domain: DomainKeys
    ) -> String? {
        guard sealed.count >= saltByteCount + FrameCipher.tagByteCount else { return nil }
        let salt = Array(sealed[0..<saltByteCount])
        let plain = try? domain.cipher("lifeboat member label", salt: salt).open(
            counter: 0, associatedData: associatedData(member, domain),
            sealed: Array(sealed[saltByteCount...]))
        return plain.map { String(decoding: $0, as: UTF8.self) }
    }

    private static func associatedData(_ member: Identifier, _ domain: DomainKeys) -> [UInt8] {
        domain.repository.bytes + member.bytes
    }
}
