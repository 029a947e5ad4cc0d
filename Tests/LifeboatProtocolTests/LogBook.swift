import LifeboatCore
import LifeboatFormat

@testable import LifeboatProtocol

/// Logs of a few members, written by hand.
struct LogBook {
    let repository = Identifier(1, 1)
    let domain = Identifier(2, 2)
    var members: [Roster.Member] = []
    var entries: [Identifier: [VerifiedEntry]] = [:]
    private var count: UInt64 = 0

    var roster: Roster {
        Roster(repository: repository, number: 1, previous: .zero, members: members)
    }
    var ledger: Ledger { Ledger(nil, entries: entries, roster: roster) }

    /// A new member; returns the first incarnation of its log.
    mutating func enrol(_ role: Roster.Role) -> Identifier {
        count += 1
        let member = Identifier(count << 32, 0)
        members.append(.init(id: member, role: role, publicKey: [], domain: domain))
        return Incarnation.id(of: member, number: 1)
    }

    func member(_ incarnation: Identifier) -> Identifier { Identifier(incarnation.word0, 0) }

    func head(_ incarnation: Identifier) -> LogHead {
        entries[incarnation]?.last?.head
            ?? LogHead(incarnation: incarnation, sequence: 0, digest: .zero)
    }

    @discardableResult
    mutating func add(
        _ incarnation: Identifier, _ time: UInt64 = 1, _ fill: (inout LogEntry) -> Void
    ) -> VerifiedEntry {
        let last = head(incarnation)
        var entry = LogEntry(
            repository: repository, member: member(incarnation), incarnation: incarnation,
            sequence: last.sequence + 1, previous: last.digest, domain: domain, time: time)
        fill(&entry)
        count += 1
        let verified = VerifiedEntry(id: Digest(9, 9, 9, count), entry: entry)
        entries[incarnation, default: []].append(verified)
        return verified
    }

    /// Adds a point that needs a pack.
    mutating func addPoint(_ incarnation: Identifier, _ time: UInt64 = 1) -> VerifiedEntry {
        count += 1
        let name = Digest(7, 7, 7, count)
        return add(incarnation, time) {
            $0.body = name
            $0.packs = [name]
        }
    }

    /// A keeper looks at all logs.
    mutating func look(_ keeper: Identifier, _ time: UInt64) {
        let heads = entries.keys.filter { $0 != keeper }.map { head($0) }
        add(keeper, time) { $0.heads = heads }
    }

    /// Revokes a member where its logs stand.
    mutating func revoke(_ incarnation: Identifier, at heads: [LogHead]) {
        for index in members.indices where members[index].id == member(incarnation) {
            members[index].revoked = heads
        }
    }
}
