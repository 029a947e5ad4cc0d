import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatStore

/// The roster in force: the one that the configuration confirms, or what follows it.
///
/// Rosters are read by consecutive names, never from a listing, which may be stale.
struct RosterChain: Sendable {
    private(set) var roster: Roster
    /// SHA-256 of its object.
    private(set) var digest: Digest
    /// SHA-256 of every roster object that was read, by number.
    private(set) var digests: [UInt64: Digest]

    /// - Throws: `.damaged` when it is missing or not what was confirmed or signed; `.refused` when
    ///   a root key signed it that a rotation replaced.
    static func read(
        _ store: any ObjectStore, _ configurations: ConfigurationChain
    ) throws(LifeboatError) -> RosterChain {
        let confirmed = configurations.current.rosterNumber
        let first =
            try confirmed == 0
            ? next(after: nil, store, configurations)
            : self.confirmed(store, configurations.current)
        guard let (roster, digest) = first else {
            throw LifeboatError(
                .damaged, "the roster is missing",
                subject: ObjectNames.roster(max(1, confirmed)).path,
                advice: "take it from another copy of the repository")
        }
        var chain = RosterChain(
            roster: roster, digest: digest, digests: [roster.number: digest])
        _ = try chain.extend(store, configurations)
        return chain
    }

    /// Reads the roster, and configurations that came into force meanwhile, where it takes them.
    static func read(
        _ store: any ObjectStore, following configurations: inout ConfigurationChain
    ) throws(LifeboatError) -> RosterChain {
        while true {
            do throws(LifeboatError) {
                return try read(store, configurations)
            } catch {
                // Perhaps a new root key signed it.
                guard error.code == .damaged, try configurations.extend(store) else { throw error }
            }
        }
    }

    /// Reads what was added since; says whether anything was.
    mutating func extend(
        _ store: any ObjectStore, _ configurations: ConfigurationChain
    ) throws(LifeboatError) -> Bool {
        var hasGrown = false
        while let (next, digest) = try Self.next(after: self, store, configurations) {
            roster = next
            self.digest = digest
            digests[next.number] = digest
            hasGrown = true
        }
        return hasGrown
    }

    private static func get(
        _ store: any ObjectStore, _ number: UInt64
    ) throws(LifeboatError) -> (bytes: [UInt8], envelope: Envelope, roster: Roster)? {
        let name = ObjectNames.roster(number)
        let bytes: [UInt8]
        do throws(LifeboatError) {
            bytes = try store.get(name, limit: Envelope.byteLimit)
        } catch {
            guard error.code == .missing else { throw error }
            return nil
        }
        let envelope = try Envelope(.roster, decoding: bytes, isSigned: true, subject: name.path)
        return (bytes, envelope, try Roster(payload: envelope.payload))
    }

    /// The confirmed roster: its digest is signed with the configuration, whoever signed it itself.
    private static func confirmed(
        _ store: any ObjectStore, _ configuration: Configuration
    ) throws(LifeboatError) -> (Roster, Digest)? {
        try store.rereading(ObjectNames.roster(configuration.rosterNumber)) {
            () throws(LifeboatError) in try readConfirmed(store, configuration)
        }
    }

    private static func readConfirmed(
        _ store: any ObjectStore, _ configuration: Configuration
    ) throws(LifeboatError) -> (Roster, Digest)? {
        let number = configuration.rosterNumber
        guard let (bytes, _, roster) = try get(store, number) else { return nil }
        let digest = SHA256Hash.digest(bytes)
        guard digest == configuration.rosterDigest, roster.number == number,
            roster.repository == configuration.repository
        else {
            throw LifeboatError(
                .damaged, "the roster is not the one that the configuration confirms",
                subject: ObjectNames.roster(number).path,
                advice: "take this object from another copy of the repository")
        }
        return (roster, digest)
    }

    private static func next(
        after last: RosterChain?, _ store: any ObjectStore, _ configurations: ConfigurationChain
    ) throws(LifeboatError) -> (Roster, Digest)? {
        try store.rereading(ObjectNames.roster((last?.roster.number ?? 0) + 1)) {
            () throws(LifeboatError) in try readNext(after: last, store, configurations)
        }
    }

    private static func readNext(
        after last: RosterChain?, _ store: any ObjectStore, _ configurations: ConfigurationChain
    ) throws(LifeboatError) -> (Roster, Digest)? {
        let number = (last?.roster.number ?? 0) + 1
        guard let (bytes, envelope, roster) = try get(store, number) else { return nil }
        let subject = ObjectNames.roster(number).path
        func isSigned(by key: [UInt8]) -> Bool {
            Signature.isValid(envelope.signature, of: envelope.signedBytes, by: key)
        }
        let configuration = configurations.current
        guard isSigned(by: configuration.rootKey) else {
            if configurations.links.contains(where: { isSigned(by: $0.configuration.rootKey) }) {
                throw LifeboatError(
                    .refused, "the roster is signed by a recovery key that a rotation replaced",
                    subject: subject,
                    advice: "if nobody changed the members while the key was rotated, somebody "
                        + "misuses the old key; delete this object and make the change again")
            }
            throw LifeboatError(
                .damaged, "the roster is not what the root key signed", subject: subject,
                advice: "take this object from another copy of the repository")
        }
        guard roster.repository == configuration.repository, roster.number == number,
            roster.previous == last?.digest ?? .zero
        else {
            throw LifeboatError(
                .damaged, "the roster does not follow the one before it", subject: subject,
                advice: "take this object from another copy of the repository")
        }
        return (roster, SHA256Hash.digest(bytes))
    }
}
