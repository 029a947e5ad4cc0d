import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatProtocol
import LifeboatStore
import LifeboatSystem

/// Opened bodies of one domain's points, in this host's cache: one file instead of many objects,
/// and one key derived instead of one for each.
///
/// Bodies never change, so what was opened once stays right. The file is sealed with a key of the
/// domain. Used by one thread.
final class PointCache {
    private struct Entry {
        let member: Identifier
        let content: [UInt8]
        var isUsed = false
    }

    private static let label = "lifeboat point cache"
    private static let saltByteCount = 32
    private static let entryHeadByteCount = 52
    /// What is opened anew before the file is written again: less costs little the next time.
    private static let worth = 64
    private static let byteLimit = 256 << 20

    private let domain: DomainKeys
    private let path: String
    private var entries: [Digest: Entry] = [:]
    private var fresh = 0

    init(_ directories: LocalDirectories, _ domain: DomainKeys) {
        self.domain = domain
        path = directories.pointCache + "/" + domain.domain.hex
        load()
    }

    /// The content of a body that was opened earlier.
    func content(_ record: Ledger.Point) -> [UInt8]? {
        guard let entry = entries[record.body], entry.member == record.member else { return nil }
        entries[record.body]?.isUsed = true
        return entry.content
    }

    /// Notes what a body holds that was just opened.
    func add(_ content: [UInt8], _ record: Ledger.Point) {
        entries[record.body] = Entry(member: record.member, content: content, isUsed: true)
        fresh += 1
    }

    private func load() {
        guard let bytes = try? Files.readWhole(path, limit: Self.byteLimit),
            bytes.count >= Self.saltByteCount + FrameCipher.tagByteCount,
            let plain = try? cipher(Array(bytes[..<Self.saltByteCount])).open(
                counter: 0, associatedData: associatedData,
                sealed: Array(bytes[Self.saltByteCount...]))
        else { return }
        var position = 0
        plain.withUnsafeBytes { raw in
            while position + Self.entryHeadByteCount <= raw.count {
                let name = Digest(loading: raw, at: position)
                let member = Identifier(Array(raw[position + 32..<position + 48]))
                let count = Int(LittleEndian.load(UInt32.self, from: raw, at: position + 48))
                position += Self.entryHeadByteCount
                guard let member, position + count <= raw.count else { return }
                entries[name] = Entry(
                    member: member, content: Array(raw[position..<position + count]))
                position += count
            }
        }
    }

    /// Keeps what was used, if there is enough that is new; a cache that cannot be written costs
    /// time.
    func save() {
        guard fresh >= Self.worth else { return }
        var plain: [UInt8] = []
        for (name, entry) in entries where entry.isUsed {
            guard plain.count + entry.content.count < Self.byteLimit / 2 else { break }
            plain += name.bytes
            plain += entry.member.bytes
            LittleEndian.append(UInt32(entry.content.count), to: &plain)
            plain += entry.content
        }
        let salt = randomBytes(Self.saltByteCount)
        let sealed = cipher(salt).seal(counter: 0, associatedData: associatedData, plain: plain)
        try? Files.writeAtomically(path, salt + sealed)
        fresh = 0
    }

    private func cipher(_ salt: [UInt8]) -> FrameCipher { domain.cipher(Self.label, salt: salt) }

    private var associatedData: [UInt8] { domain.repository.bytes + domain.domain.bytes }
}

/// Reads points' bodies, with the help of what this host opened earlier.
///
/// Used by one thread.
final class PointReader {
    private let repository: Repository
    private var caches: [Identifier: PointCache] = [:]

    init(_ repository: Repository) { self.repository = repository }

    /// - Throws: `.damaged` when the body is missing or not what was signed, unless it was opened
    ///   earlier.
    func read(_ record: Ledger.Point, _ domain: DomainKeys) throws(LifeboatError) -> Point {
        if let point = known(record, domain) { return point }
        let (point, content) = try PointCatalog.open(record, repository, domain)
        cache(domain).add(content, record)
        return point
    }

    /// Reads bodies, several at once where each waits for a network; those of domains at hand.
    ///
    /// `isLenient`: what was opened earlier is not read again.
    func read(
        _ records: [Ledger.Point], isLenient: Bool
    ) -> [Result<Point, LifeboatError>] {
        let domains = records.compactMap { repository.domains[$0.domain] }
        let points: [Point?] = zip(records, domains).map { isLenient ? known($0, $1) : nil }
        let missing = points.indices.filter { points[$0] == nil }
        let opened = repository.store.inParallel(missing.count, name: "points") {
            [repository] number throws(LifeboatError) in
            let index = missing[number]
            return try PointCatalog.open(records[index], repository, domains[index])
        }
        var results = points.map { point in point.map(Result<Point, LifeboatError>.success) }
        for (index, result) in zip(missing, opened) {
            if isLenient, case .success(let found) = result {
                cache(domains[index]).add(found.content, records[index])
            }
            results[index] = result.map(\.point)
        }
        return results.compactMap(\.self)
    }

    private func known(_ record: Ledger.Point, _ domain: DomainKeys) -> Point? {
        cache(domain).content(record).flatMap { content in
            try? PointCatalog.point(record, domain, content, subject: "")
        }
    }

    private func cache(_ domain: DomainKeys) -> PointCache {
        if let known = caches[domain.domain] { return known }
        let cache = PointCache(repository.directories, domain)
        caches[domain.domain] = cache
        return cache
    }

    /// Keeps what was opened, for the next time.
    func save() { for cache in caches.values { cache.save() } }
}
