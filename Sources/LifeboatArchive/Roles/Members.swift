import LifeboatCodec
public import LifeboatCore
public import LifeboatFormat
import LifeboatStore
import LifeboatSystem

/// Changes of the roster; each needs the recovery key, whose root signs it.
extension Repository {
    /// How often a change is tried when others change the same at the same time.
    static let changeAttempts = 16

    /// Makes a new member, and a key slot that `secret` opens.
    ///
    /// The slot is stored first: without its member in the roster it is harmless.
    /// - Throws: `.wrongKey` without the recovery key; `.missing` when there is no such domain.
    public func enrol(
        _ role: Roster.Role, domain: Identifier, label: String, secret: WrappingSecret
    ) throws(LifeboatError) -> (repository: Repository, member: Roster.Member, slot: KeySlot) {
        _ = try requireRecovery()
        try refuseReplica()
        guard let home = domains[domain] else {
            throw LifeboatError(.missing, "there is no such domain", subject: domain.hex)
        }
        let now = Clock.milliseconds()
        var further: [Identifier: SecretBytes] = [:]
        if role == .keeper {
            for other in domains.values where other.domain != domain {
                further[other.domain] = other.secret
            }
        }
        let keys = WriterKeys(
            repository: id, writer: .random(), signing: .generate(), domain: domain,
            domainSecret: home.secret, rootKey: configuration.rootKey, furtherSecrets: further)
        let member = Roster.Member(
            id: keys.writer, role: role, publicKey: keys.signing.publicKey, domain: domain,
            sealedLabel: MemberLabel.seal(label, member: keys.writer, domain: home), joined: now)
        let slot = try KeySlotWrapping.wrap(keys, by: secret, label: label, created: now)
        try store.put(
            ObjectNames.keySlot(slot.id), bytes: Envelope.unsigned(.keySlot, slot.payload))
        let changed = try changeMembers { members throws(LifeboatError) in
            members.append(member)
        }
        return (changed, member, slot)
    }

    /// Forbids a member to add anything; what it added counts.
    ///
    /// A member that is suspended or revoked stays as it is.
    public func suspend(_ member: Identifier) throws(LifeboatError) -> Repository {
        try change(member) { $0.isSuspended = true }
    }

    /// Ends a membership: entries of the member's logs beyond `heads` do not exist any more.
    ///
    /// A member that was revoked before stays as it is.
    public func revoke(
        _ member: Identifier, heads: [LogHead]
    ) throws(LifeboatError) -> Repository {
        try change(member) {
            $0.isSuspended = true
            $0.revoked = heads
        }
    }

    private func change(
        _ id: Identifier, _ change: (inout Roster.Member) -> Void
    ) throws(LifeboatError) -> Repository {
        try changeMembers { members throws(LifeboatError) in
            guard let index = members.firstIndex(where: { $0.id == id }) else {
                throw LifeboatError(.missing, "there is no such member", subject: id.hex)
            }
            if members[index].revoked == nil { change(&members[index]) }
        }
    }

    /// Puts the next roster; once more, on the newer one, where somebody else was faster.
    ///
    /// A change that changes nothing puts nothing.
    private func changeMembers(
        _ change: (inout [Roster.Member]) throws(LifeboatError) -> Void
    ) throws(LifeboatError) -> Repository {
        let recovery = try requireRecovery()
        try refuseReplica()
        var current = try refreshed()
        for _ in 0..<Self.changeAttempts {
            try current.requireCurrent(recovery)
            var members = current.roster.members
            try change(&members)
            if members == current.roster.members { return current }
            let roster = Roster(
                repository: id, number: current.roster.number + 1,
                previous: current.rosters.digest, members: members)
            let isPut = try current.putOnce(
                ObjectNames.roster(roster.number),
                Self.signed(.roster, roster.payload, by: recovery.root))
            current = try current.refreshed()
            if isPut { return current }
        }
        throw LifeboatError(
            .unavailable, "others keep changing the members", subject: store.location,
            advice: "try again")
    }

    /// Refuses to sign with a root key that was replaced while this was at work.
    func requireCurrent(_ recovery: RecoveryKey) throws(LifeboatError) {
        guard recovery.root.publicKey == configuration.rootKey else {
            throw LifeboatError(
                .wrongKey, "this recovery key has just been replaced by a rotation",
                subject: store.location, advice: "give the newer one")
        }
    }

    /// Puts an object; whether it is there then.
    ///
    /// A reply may be lost, and a store may let two writers believe that they won: what counts is
    /// what is read back.
    func putOnce(_ name: ObjectName, _ bytes: [UInt8]) throws(LifeboatError) -> Bool {
        do throws(LifeboatError) {
            try store.put(name, bytes: bytes)
        } catch {
            guard let found = try? holds(name, bytes) else { throw error }
            return found
        }
        return try holds(name, bytes)
    }

    /// Whether an object has these bytes; looked at twice where a bit may change on its way.
    private func holds(_ name: ObjectName, _ bytes: [UInt8]) throws(LifeboatError) -> Bool {
        if try store.get(name, limit: Envelope.byteLimit) == bytes { return true }
        guard store.parallelRequests > 1 else { return false }
        store.forget(name)
        return try store.get(name, limit: Envelope.byteLimit) == bytes
    }
}
