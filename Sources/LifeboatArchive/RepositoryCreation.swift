import LifeboatCodec
public import LifeboatCore
public import LifeboatFormat
public import LifeboatStore
import LifeboatSystem

extension Repository {
    /// Makes a repository in an empty store, with one domain and one writer.
    ///
    /// The configuration is put last: until it is there, there is no repository.
    /// - Throws: `.exists` where there is one already.
    public static func create(
        in store: any ObjectStore, recovery: RecoveryKey, chunkSize: Int, secret: WrappingSecret,
        keyLabel: String, memberLabel: String = "",
        minimumAge: UInt64 = Configuration.defaultMinimumAge, lockDuration: UInt64 = 0
    ) throws(LifeboatError) {
        guard Configuration.chunkSizes.contains(chunkSize), chunkSize & (chunkSize - 1) == 0 else {
            throw LifeboatError(
                .refused, "a chunk size of \(chunkSize) bytes is not possible",
                advice: "give a power of two from 16KiB to 4MiB")
        }
        var isTaken = false
        try store.list(ObjectNames.configurationPrefix) { _, _ throws(LifeboatError) in
            isTaken = true
        }
        if isTaken {
            throw LifeboatError(.exists, "a repository is here already", subject: store.location)
        }
        let now = Clock.milliseconds()
        let domain = DomainKeys(
            repository: recovery.repository, domain: .random(), secret: .random(count: 32))
        let publicKey = try RecoverySealing.publicKey(seed: recovery.seed)
        let configuration = Configuration(
            repository: recovery.repository, chunkSize: chunkSize,
            rootKey: recovery.root.publicKey, recoveryKey: publicKey, created: now,
            domains: [try domain.sealed(to: publicKey)], minimumAge: minimumAge,
            lockDuration: lockDuration)
        let store = locking(store, configuration)
        let keys = WriterKeys(
            repository: recovery.repository, writer: .random(), signing: .generate(),
            domain: domain.domain, domainSecret: domain.secret, rootKey: recovery.root.publicKey)
        let roster = Roster(
            repository: recovery.repository, number: 1, previous: .zero,
            members: [
                .init(
                    id: keys.writer, role: .writer, publicKey: keys.signing.publicKey,
                    domain: domain.domain,
                    sealedLabel: MemberLabel.seal(
                        memberLabel, member: keys.writer, domain: domain), joined: now)
            ])
        let slot = try KeySlotWrapping.wrap(keys, by: secret, label: keyLabel, created: now)
        try store.put(
            ObjectNames.roster(1), bytes: signed(.roster, roster.payload, by: recovery.root))
        try store.put(
            ObjectNames.keySlot(slot.id), bytes: Envelope.unsigned(.keySlot, slot.payload))
        try store.put(
            ObjectNames.configuration(1),
            bytes: signed(.configuration, configuration.payload, by: recovery.root))
    }

    static func signed(_ kind: ObjectKind, _ payload: CBOR, by key: SigningKey) -> [UInt8] {
        let body = Envelope.unsigned(kind, payload)
        return body + key.sign(body)
    }

    /// The passwords and key files that open this repository, with their labels and whose they are.
    ///
    /// A slot of a domain that is not at hand has the label `?`.
    public func listKeys() throws(LifeboatError) -> [(
        slot: KeySlot, label: String, member: Identifier?
    )] {
        _ = try requireDomain()
        var result: [(slot: KeySlot, label: String, member: Identifier?)] = []
        for slot in try Self.keySlots(store) {
            let slot = try slot.get()
            let label = KeySlotWrapping.label(of: slot, domains.values)
            result.append((slot, label?.text ?? "?", label?.member))
        }
        return result.sorted { $0.slot.created < $1.slot.created }
    }

    /// Whether `secret` opens `slot`.
    public func opens(_ slot: KeySlot, _ secret: WrappingSecret) throws(LifeboatError) -> Bool {
        try KeySlotWrapping.unwrap(slot, with: secret) != nil
    }

    /// Adds a password or key file.
    public func addKey(
        _ secret: WrappingSecret, label: String
    ) throws(LifeboatError) -> KeySlot {
        let slot = try KeySlotWrapping.wrap(
            try requireMember(), by: secret, label: label, created: Clock.milliseconds())
        try store.put(
            ObjectNames.keySlot(slot.id), bytes: Envelope.unsigned(.keySlot, slot.payload))
        return slot
    }

    /// Removes a key slot; refuses to remove the last one.
    public func removeKey(_ id: Identifier) throws(LifeboatError) {
        _ = try requireMember()
        let slots = try listKeys()
        guard slots.contains(where: { $0.slot.id == id }) else {
            throw LifeboatError(.missing, "no such key", subject: id.hex)
        }
        guard slots.count > 1 else {
            throw LifeboatError(
                .refused, "this is the last key; without it nobody can back up here",
                subject: id.hex, advice: "add another one first")
        }
        try store.delete(ObjectNames.keySlot(id))
    }
}
