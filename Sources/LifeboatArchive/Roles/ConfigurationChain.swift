import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatStore

/// All configurations of a repository: each is signed by the root key of the one before it.
///
/// They are read by consecutive names, never from a listing, which may be stale.
struct ConfigurationChain: Sendable {
    struct Link: Sendable {
        let configuration: Configuration
        /// SHA-256 of its object.
        let digest: Digest
    }

    /// Never empty, in order of their numbers from 1.
    private(set) var links: [Link]

    /// The one in force.
    var current: Configuration { links[links.count - 1].configuration }
    var currentDigest: Digest { links[links.count - 1].digest }

    /// - Throws: `.noRepository`; `.damaged` when a configuration does not follow from the others.
    static func read(_ store: any ObjectStore) throws(LifeboatError) -> ConfigurationChain {
        var chain = try begin(store)
        _ = try chain.extend(store)
        return chain
    }

    /// Reads the first configuration only, which says which repository it is.
    ///
    /// - Throws: as `read`.
    static func begin(_ store: any ObjectStore) throws(LifeboatError) -> ConfigurationChain {
        guard let first = try next(after: nil, store) else {
            guard try store.size(ObjectNames.configuration(2)) == nil else {
                throw LifeboatError(
                    .damaged, "the first configuration is missing",
                    subject: ObjectNames.configuration(1).path,
                    advice: "take this object from another copy of the repository")
            }
            throw LifeboatError(
                .noRepository, "no repository here", subject: store.location,
                advice: "make one with: lifeboat init")
        }
        return ConfigurationChain(links: [first])
    }

    private init(links: [Link]) { self.links = links }

    /// Reads what was added since; says whether anything was.
    mutating func extend(_ store: any ObjectStore) throws(LifeboatError) -> Bool {
        var hasGrown = false
        while let link = try Self.next(after: links[links.count - 1], store) {
            links.append(link)
            hasGrown = true
        }
        return hasGrown
    }

    private static func next(
        after last: Link?, _ store: any ObjectStore
    ) throws(LifeboatError) -> Link? {
        let name = ObjectNames.configuration((last?.configuration.number ?? 0) + 1)
        do throws(LifeboatError) {
            return try store.get(name, limit: Envelope.byteLimit) { bytes throws(LifeboatError) in
                try link(bytes, after: last, name)
            }
        } catch {
            guard error.code == .missing else { throw error }
            return nil
        }
    }

    /// Checks a configuration against the one before it.
    private static func link(
        _ bytes: [UInt8], after last: Link?, _ name: ObjectName
    ) throws(LifeboatError) -> Link {
        let number = (last?.configuration.number ?? 0) + 1
        func fault(_ what: String) -> LifeboatError {
            LifeboatError(
                .damaged, what, subject: name.path,
                advice: "take this object from another copy of the repository")
        }
        let envelope = try Envelope(
            .configuration, decoding: bytes, isSigned: true, subject: name.path)
        let configuration = try Configuration(payload: envelope.payload)
        guard
            Signature.isValid(
                envelope.signature, of: envelope.signedBytes,
                by: last?.configuration.rootKey ?? configuration.rootKey)
        else { throw fault("the signature of the configuration is wrong") }
        guard configuration.number == number, configuration.previous == last?.digest ?? .zero,
            !configuration.domains.isEmpty,
            (configuration.rosterNumber == 0) == (number == 1)
        else { throw fault("the configuration belongs to another place") }
        if let last = last?.configuration {
            guard configuration.repository == last.repository,
                configuration.chunkSize == last.chunkSize,
                configuration.rosterNumber >= last.rosterNumber
            else { throw fault("the configuration does not follow from the one before it") }
        }
        return Link(configuration: configuration, digest: SHA256Hash.digest(bytes))
    }

    /// SHA-256 of the configuration with this number; `nil` when there is none.
    func digest(_ number: UInt64) -> Digest? {
        links.first { $0.configuration.number == number }?.digest
    }

    /// Whether this was the root key of any configuration.
    func hasRoot(_ key: [UInt8]) -> Bool { links.contains { $0.configuration.rootKey == key } }

    /// The configuration that replaced this root key by another; `nil` while it is in force, or if
    /// it never was.
    func replacement(ofRoot key: [UInt8]) -> Configuration? {
        guard let last = links.lastIndex(where: { $0.configuration.rootKey == key }),
            last + 1 < links.count
        else { return nil }
        return links[last + 1].configuration
    }
}
