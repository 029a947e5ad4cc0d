public import LifeboatCore

/// The logs of a member: one for each state directory that it ever had.
///
/// The id is the member's, whose last four bytes, as a big-endian number, are increased by the
/// incarnation's number: so whoever knows the roster finds every log by asking for names, without
/// a listing. Source: formats/log.md, "Incarnations".
public enum Incarnation {
    /// The id of the `number`-th incarnation, from 1.
    public static func id(of member: Identifier, number: UInt64) -> Identifier {
        let low = UInt32(truncatingIfNeeded: member.word1) &+ UInt32(truncatingIfNeeded: number)
        return Identifier(member.word0, (member.word1 & ~0xFFFF_FFFF) | UInt64(low))
    }

    /// The number of an incarnation; `nil` if it is none of this member's.
    public static func number(of incarnation: Identifier, member: Identifier) -> UInt64? {
        guard incarnation.word0 == member.word0,
            incarnation.word1 >> 32 == member.word1 >> 32
        else { return nil }
        let low = UInt32(truncatingIfNeeded: incarnation.word1)
        return UInt64(low &- UInt32(truncatingIfNeeded: member.word1))
    }
}
