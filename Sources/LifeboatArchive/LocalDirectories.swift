public import LifeboatCore
import LifeboatSystem

/// What this host keeps about one repository: state that matters, and a cache that does not.
///
/// State: `trusted`, `heads`, `log-*`, `lock-*`, `sessions/`, `fingerprints/`, `restores/`, `checks/`,
/// `replicas/`, `identity`.
/// Cache: `index/` with opened index runs, `checkpoints/` with the newest one, `points/` with opened
/// bodies.
public struct LocalDirectories: Sendable {
    public let state: String
    public let cache: String
    /// Replicas of the repository that this host knows of, a folder each.
    ///
    /// Each folder is the state directory of its replica too: where the repository stands says
    /// nothing of how far a replica is.
    public let replicas: String
    /// What volumes looked like when their newest points were made, also those of a spool.
    public let fingerprints: String

    /// - Throws: `.denied` and the like when a directory cannot be made.
    public init(
        stateRoot: String, cacheRoot: String, repository: Identifier
    ) throws(LifeboatError) {
        let state = stateRoot + "/" + repository.hex
        try self.init(
            state: state, cache: cacheRoot + "/" + repository.hex, replicas: state + "/replicas")
    }

    private init(
        state: String, cache: String, replicas: String, fingerprints: String? = nil
    ) throws(LifeboatError) {
        self.state = state
        self.cache = cache
        self.replicas = replicas
        self.fingerprints = fingerprints ?? state + "/fingerprints"
        for directory in [
            sessions, self.fingerprints, restores, checks, indexCache, checkpoints, pointCache,
        ] {
            try Files.makeDirectories(directory)
        }
    }

    /// What this host keeps about one of the replicas.
    func ofReplica(_ name: String) throws(LifeboatError) -> LocalDirectories {
        try LocalDirectories(
            state: replicas + "/" + name, cache: cache + "/replicas/" + name, replicas: replicas)
    }

    /// What this host keeps about the spool at `path`: in the spool itself.
    func ofSpool(_ path: String) throws(LifeboatError) -> LocalDirectories {
        try LocalDirectories(
            state: path + "/state", cache: path + "/cache", replicas: path + "/state/replicas",
            fingerprints: fingerprints)
    }

    /// A random name of this state directory, made when it is first asked for.
    func identity() throws(LifeboatError) -> Identifier {
        let path = state + "/identity"
        if !Files.exists(path) {
            do throws(LifeboatError) {
                try Files.writeAtomically(
                    path, Array((Identifier.random().hex + "\n").utf8), replace: false)
            } catch {
                // Another process was faster.
                guard error.code == .exists else { throw error }
            }
        }
        let text = String(decoding: try Files.readWhole(path, limit: 1024), as: UTF8.self)
        guard let identity = Identifier(hex: text.prefix { !$0.isNewline }) else {
            throw LifeboatError(
                .damaged, "the name of the state directory is unreadable", subject: path)
        }
        return identity
    }

    /// Part of the names of files that are not finished; their makers hold locks on them.
    public static let unfinishedMark = ".new-"
    /// The ending of a running session's index runs, on which it holds locks.
    static let runEnding = ".run"

    /// Removes what processes that died have left here; journals stay, for they are taken over.
    public func cleanLeftovers() {
        for directory in [state, sessions, fingerprints, restores, indexCache] {
            for name in (try? Files.list(directory)) ?? [] {
                let hasLock = name.contains(Self.unfinishedMark) || name.hasSuffix(Self.runEnding)
                guard hasLock || name.hasSuffix(".tmp") else { continue }
                // A lock is taken just after a file is made; one without a lock lives shortly.
                guard let file = try? File(path: directory + "/" + name, access: .read),
                    let age = file.ageSeconds, age > (hasLock ? 60 : 3600),
                    (try? file.lock(exclusive: true, wait: false)) == true
                else { continue }
                try? Files.remove(file.path)
            }
        }
    }

    public var sessions: String { state + "/sessions" }
    public var restores: String { state + "/restores" }
    var checks: String { state + "/checks" }
    public var indexCache: String { cache + "/index" }
    var trustedFile: String { state + "/trusted" }
    var headsFile: String { state + "/heads" }
    /// A member's place in its own log.
    func memoryFile(_ member: Identifier) -> String { state + "/log-" + member.hex }
    /// What processes take turns by at a member's log.
    func lockFile(_ member: Identifier) -> String { state + "/lock-" + member.hex }
    /// Files of a keeper's step, each below a folder of its own.
    var collections: String { cache + "/collection" }
    var checkpoints: String { cache + "/checkpoints" }
    /// Bodies that were opened, a file for each domain.
    var pointCache: String { cache + "/points" }
}
