public import LifeboatCore
import LifeboatSystem

/// What this host keeps about one repository: state that matters, and a cache that does not.
///
/// State: `incarnation`, `heads`, `lock`, `sessions/`, `fingerprints/`, `restores/`,
/// `checks/`.
/// Cache: `index/` with opened index runs.
public struct LocalDirectories: Sendable {
    public let state: String
    public let cache: String

    /// - Throws: `.denied` and the like when a directory cannot be made.
    public init(
        stateRoot: String, cacheRoot: String, repository: Identifier
    ) throws(LifeboatError) {
        state = stateRoot + "/" + repository.hex
        cache = cacheRoot + "/" + repository.hex
        for directory in [sessions, fingerprints, restores, checks, indexCache] {
            try Files.makeDirectories(directory)
        }
    }

    public var sessions: String { state + "/sessions" }
    public var fingerprints: String { state + "/fingerprints" }
    public var restores: String { state + "/restores" }
    var checks: String { state + "/checks" }
    public var indexCache: String { cache + "/index" }
    var incarnationFile: String { state + "/incarnation" }
    var headsFile: String { state + "/heads" }
    var lockFile: String { state + "/lock" }
}
