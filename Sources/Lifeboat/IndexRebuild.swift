import LifeboatArchive
public import LifeboatCore
import LifeboatSystem

extension Operations {
    /// Makes the index anew from the packs' directories, and replaces the stored one.
    public func rebuildIndex() throws(LifeboatError) -> IndexRebuildResult {
        let repository = try openRepository()
        let log = try repository.readLog()
        warn(log.problems)
        let session = try WriteSession(
            repository, try SessionOpening(repository), index: try Index.empty(repository),
            packBuffers: 3)
        defer { session.end() }
        let rebuilt = try session.rebuildIndex(
            log: log, events: events, cancellation: cancellation)
        return IndexRebuildResult(
            packs: rebuilt.packs, entries: rebuilt.entries, runs: rebuilt.runs,
            problems: rebuilt.problems.map {
                VerificationProblem(
                    object: $0.subject ?? "repository", message: $0.description, affected: [],
                    isSetAside: false)
            })
    }

    /// The caches below a directory, one a repository.
    public static func caches(cacheDirectory: String) throws(LifeboatError) -> [CacheSummary] {
        guard Files.exists(cacheDirectory) else { return [] }
        var result: [CacheSummary] = []
        for name in try Files.list(cacheDirectory).sorted() where Identifier(hex: name) != nil {
            let path = cacheDirectory + "/" + name
            let (bytes, used) = try measure(path)
            result.append(
                CacheSummary(repository: name, path: path, bytes: bytes, lastUsed: used))
        }
        return result
    }

    /// Removes the caches of one repository or of all; they are made again when needed.
    public static func cleanCaches(
        cacheDirectory: String, repository: String?
    ) throws(LifeboatError) -> [CacheSummary] {
        let chosen = try caches(cacheDirectory: cacheDirectory).filter {
            repository.map($0.repository.hasPrefix) ?? true
        }
        if let repository, chosen.isEmpty {
            throw LifeboatError(
                .missing, "there is no cache of this repository", subject: repository)
        }
        for cache in chosen { try Files.removeTree(cache.path) }
        return chosen
    }

    private static func measure(
        _ path: String
    ) throws(LifeboatError) -> (bytes: UInt64, modified: UInt64) {
        var bytes: UInt64 = 0
        var modified: UInt64 = 0
        for name in try Files.list(path) {
            let below = path + "/" + name
            if Files.isDirectory(below) {
                let part = try measure(below)
                bytes += part.bytes
                modified = max(modified, part.modified)
            } else {
                let status = try Files.status(below)
                bytes += status.size
                modified = max(modified, status.modified)
            }
        }
        return (bytes, modified)
    }
}
