import LifeboatCodec
public import LifeboatCore
public import LifeboatFormat
public import LifeboatStore

/// A pack whose header and directory were read and authenticated, with its frames' keys where they
/// can be had.
///
/// Immutable, hence safe from many threads.
public final class OpenPack: Sendable {
    public let name: Digest
    /// Where it stands: under its name, or where it was set aside as damaged.
    public let object: ObjectName
    public let header: PackHeader
    public let directory: PackDirectory
    public let byteCount: UInt64
    /// One for each entry of the key table; `nil` for data frames without the recovery key.
    let keys: [SecretBytes]?
    let keyIDs: [Digest]

    /// Reads a pack's header, trailer and directory.
    ///
    /// `foreignDomains`: domains that exist and whose secrets are not at hand.
    /// - Throws: `.damaged` naming the pack, also when it is not there at all; `.wrongKey` when it
    ///   is of a foreign domain.
    public static func open(
        _ name: Digest, store: any ObjectStore, domains: [Identifier: DomainKeys],
        recovery: RecoveryKey?, foreignDomains: Set<Identifier> = []
    ) throws(LifeboatError) -> OpenPack {
        try store.rereading(ObjectNames.pack(name)) { () throws(LifeboatError) in
            do throws(LifeboatError) {
                return try OpenPack(
                    name, store: store, domains: domains, recovery: recovery,
                    foreignDomains: foreignDomains)
            } catch {
                // The next who asks must not be answered with what is kept of it.
                for object in [ObjectNames.pack(name), ObjectNames.damagedBytes(name)] {
                    store.forget(object)
                }
                throw error
            }
        }
    }

    private init(
        _ name: Digest, store: any ObjectStore, domains: [Identifier: DomainKeys],
        recovery: RecoveryKey?, foreignDomains: Set<Identifier>
    ) throws(LifeboatError) {
        var object = ObjectNames.pack(name)
        let subject = object.path
        var found = try store.sizeAndEnds(object)
        if found == nil {
            object = ObjectNames.damagedBytes(name)
            found = try store.sizeAndEnds(object)
        }
        self.object = object
        guard let size = found else {
            throw LifeboatError(
                .damaged, "the pack is missing", subject: subject,
                advice: "run verify to learn what is lost; the next backup heals what it still has")
        }
        func fault(_ what: String) -> LifeboatError {
            LifeboatError(.damaged, "the pack \(what)", subject: subject)
        }
        guard size <= UInt64(PackLayout.byteLimit),
            size >= UInt64(PackLayout.headerByteCount + PackLayout.trailerByteCount)
        else { throw fault("has an impossible size of \(size) bytes") }
        byteCount = size
        self.name = name
        let place = object
        func read(_ offset: Int, _ count: Int) throws(LifeboatError) -> [UInt8] {
            var bytes = [UInt8](repeating: 0, count: count)
            var got = 0
            do throws(LifeboatError) {
                try bytes.withMutableBytes { raw throws(LifeboatError) in
                    got = try store.read(place, at: UInt64(offset), into: raw)
                }
            } catch {
                throw error.code == .missing ? fault("is missing") : error
            }
            guard got == count else { throw fault("ends early") }
            return bytes
        }
        header = try PackHeader(
            decoding: try read(0, PackLayout.headerByteCount), subject: subject)
        guard let domain = domains[header.domain], header.repository == domain.repository else {
            guard foreignDomains.contains(header.domain) else {
                throw fault("belongs to another repository or domain")
            }
            throw LifeboatError(
                .wrongKey, "the pack belongs to a domain whose secret is not at hand",
                subject: subject)
        }
        let keyBytes = header.keyByteCount
        guard header.framesOffset + PackLayout.trailerByteCount <= Int(size) else {
            throw fault("ends inside its key table")
        }
        let table = try read(PackLayout.headerByteCount, header.keyCount * keyBytes)
        let cipher = domain.cipher(PackLayout.directoryLabel, salt: header.salt)
        let end = Int(size) - PackLayout.trailerByteCount
        let trailer: [UInt8]
        let plain: [UInt8]
        let framesEnd: Int
        do throws(LifeboatError) {
            trailer = try cipher.open(
                counter: PackLayout.trailerCounter, associatedData: header.bytes,
                sealed: try read(end, PackLayout.trailerByteCount))
            let offset = LittleEndian.load(UInt64.self, from: trailer, at: 0)
            guard offset >= UInt64(header.framesOffset), offset <= UInt64(max(0, end - 24)) else {
                throw fault("has an impossible trailer")
            }
            framesEnd = Int(offset)
            plain = try cipher.open(
                counter: PackLayout.directoryCounter, associatedData: header.bytes,
                sealed: try read(framesEnd, end - framesEnd))
        } catch {
            throw error.code == .damaged
                ? fault("has a directory or trailer that does not authenticate") : error
        }
        directory = try PackDirectory(
            decoding: plain, framesOffset: header.framesOffset, framesEnd: framesEnd,
            keyCount: header.keyCount, subject: subject)

        var keyIDs: [Digest] = []
        var keys: [SecretBytes]? = []
        for index in 0..<header.keyCount {
            let entry = Array(table[index * keyBytes..<(index + 1) * keyBytes])
            switch header.content {
            case .metadata:
                keyIDs.append(SHA256Hash.digest(entry))
                keys?.append(domain.metadataFrameKey(salt: entry))
            case .data:
                let encapsulation = Array(entry[0..<RecoverySealing.encapsulationByteCount])
                keyIDs.append(SHA256Hash.digest(encapsulation))
                if let recovery {
                    let sealed = Array(entry[RecoverySealing.encapsulationByteCount...])
                    guard
                        let key = Self.frameKey(
                            encapsulation, sealed, recovery, info: domain.frameKeyInfo)
                    else { throw fault("has a frame key that the recovery key does not open") }
                    keys?.append(key)
                } else {
                    keys = nil
                }
            }
        }
        self.keyIDs = keyIDs
        self.keys = keys
    }

    /// Opens a frame key with the recovery key, or with one that it replaced.
    private static func frameKey(
        _ encapsulation: [UInt8], _ sealed: [UInt8], _ recovery: RecoveryKey, info: [UInt8]
    ) -> SecretBytes? {
        for seed in recovery.seeds {
            let key = try? RecoverySealing.open(
                encapsulation: encapsulation, sealed: sealed, seed: seed, info: info)
            if let key { return key }
        }
        return nil
    }

    /// Whether a verification found it damaged, and moved it out of the way.
    public var isSetAside: Bool { object != ObjectNames.pack(name) }

    /// What this object costs in memory, for caches that are bounded by bytes.
    var memoryByteCount: Int {
        4096 + directory.frames.count * 40 + directory.slots.count * 40
    }
}
