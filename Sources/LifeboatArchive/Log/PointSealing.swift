import LifeboatCodec
import LifeboatCore
import LifeboatFormat

/// Seals point bodies and opens them again.
///
/// Source: formats/point.md.
enum PointSealing {
    static let label = "lifeboat point body"
    static let tagsLabel = "lifeboat point tags"
    static let saltByteCount = 32

    private static func associatedData(
        _ prefix: [UInt8], _ domain: DomainKeys, _ member: Identifier
    ) -> [UInt8] {
        prefix + domain.repository.bytes + domain.domain.bytes + member.bytes
    }

    static func seal(
        _ body: PointBody, domain: DomainKeys, member: Identifier
    ) -> [UInt8] {
        let content = body.payload.encoded()
        var plain: [UInt8] = []
        LittleEndian.append(UInt32(content.count), to: &plain)
        plain += content
        let prefix = ObjectKind.pointBody.prefix()
        let around = prefix.count + saltByteCount + FrameCipher.tagByteCount
        let total = SizeClass.padded(around + plain.count)
        plain += [UInt8](repeating: 0, count: total - around - plain.count)
        let salt = randomBytes(saltByteCount)
        let sealed = domain.cipher(label, salt: salt).seal(
            counter: 0, associatedData: associatedData(prefix, domain, member),
            plain: plain)
        return prefix + salt + sealed
    }

    static func open(
        _ bytes: [UInt8], domain: DomainKeys, member: Identifier, subject: String
    ) throws(LifeboatError) -> PointBody {
        try body(
            try openContent(bytes, domain: domain, member: member, subject: subject),
            subject: subject)
    }

    /// The body that an opened object holds.
    static func body(
        _ content: [UInt8], subject: String
    ) throws(LifeboatError) -> PointBody {
        do throws(LifeboatError) {
            return try PointBody(payload: try CBOR.decode(content), subject: subject)
        } catch {
            throw error.about(subject)
        }
    }

    static func openContent(
        _ bytes: [UInt8], domain: DomainKeys, member: Identifier, subject: String
    ) throws(LifeboatError) -> [UInt8] {
        try ObjectKind.pointBody.check(bytes, subject: subject)
        guard bytes.count >= 40 + FrameCipher.tagByteCount else {
            throw LifeboatError(.damaged, "the point's body ends early", subject: subject)
        }
        let prefix = Array(bytes[0..<8])
        let plain: [UInt8]
        do throws(LifeboatError) {
            plain = try domain.cipher(label, salt: Array(bytes[8..<40])).open(
                counter: 0, associatedData: associatedData(prefix, domain, member),
                sealed: Array(bytes[40...]))
        } catch {
            throw LifeboatError(
                .damaged, "the point's body does not authenticate", subject: subject)
        }
        guard plain.count >= 4 else {
            throw LifeboatError(.damaged, "the point's body ends early", subject: subject)
        }
        let length = Int(LittleEndian.load(UInt32.self, from: plain, at: 0))
        guard length <= plain.count - 4, plain[(4 + length)...].allSatisfy({ $0 == 0 }) else {
            throw LifeboatError(
                .damaged, "the point's body has an impossible length", subject: subject)
        }
        return Array(plain[4..<4 + length])
    }

    // MARK: tags

    private static func tagsData(_ domain: DomainKeys, _ point: Digest) -> [UInt8] {
        domain.repository.bytes + domain.domain.bytes + point.bytes
    }

    /// Seals tags that replace those of a point's body.
    static func seal(
        tags: [String: String], of point: Digest, domain: DomainKeys
    ) -> [UInt8] {
        let salt = randomBytes(saltByteCount)
        return salt
            + domain.cipher(tagsLabel, salt: salt).seal(
                counter: 0, associatedData: tagsData(domain, point),
                plain: PointBody.payload(tags: tags).encoded())
    }

    static func openTags(
        _ sealed: [UInt8], of point: Digest, domain: DomainKeys
    ) throws(LifeboatError) -> [String: String] {
        let subject = "the tags of point \(point.short)"
        guard sealed.count > saltByteCount + FrameCipher.tagByteCount else {
            throw LifeboatError(.damaged, "\(subject) end early", subject: subject)
        }
        let plain: [UInt8]
        do throws(LifeboatError) {
            plain = try domain.cipher(tagsLabel, salt: Array(sealed[..<saltByteCount])).open(
                counter: 0, associatedData: tagsData(domain, point),
                sealed: Array(sealed[saltByteCount...]))
        } catch {
            throw LifeboatError(.damaged, "\(subject) do not authenticate", subject: subject)
        }
        return try PointBody.tags(payload: try CBOR.decode(plain), subject: subject)
    }
}
