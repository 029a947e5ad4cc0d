import Foundation
import Lifeboat
import LifeboatArchive
import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatProtocol
import LifeboatStore

/// A repository, machines that back up into it, and a keeper; each opened once, with a state
/// directory of its own.
final class Fleet {
    /// A machine: a writer, and the volume that it backs up.
    struct Machine {
        let name: String
        let volume: ChangingVolume
        let repository: Repository
        fileprivate let secret: WrappingSecret
    }

    let store: any ObjectStore
    let folder: String
    private(set) var machines: [Machine] = []
    let keeper: Repository
    private let keeperSecret: WrappingSecret

    /// Makes everything; `folder` is where the state directories go.
    init(in store: any ObjectStore, folder: String, machines count: Int, seed: UInt64) throws {
        self.store = store
        self.folder = folder
        let recovery = RecoveryKey.generate(repository: .random())
        let first = Self.secret()
        try Repository.create(
            in: store, recovery: recovery, chunkSize: ChangingVolume.chunkByteCount,
            secret: first, keyLabel: "machine-1", memberLabel: "machine-1", minimumAge: 0)
        let root = try Self.open(store, folder, "root", nil, recovery)
        guard let domain = root.configuration.domains.first?.id else {
            throw Workshop.Failure(description: "a repository without a domain")
        }
        keeperSecret = Self.secret()
        _ = try root.enrol(.keeper, domain: domain, label: "keeper", secret: keeperSecret)
        var secrets = [first]
        for number in 1..<max(count, 1) {
            secrets.append(Self.secret())
            _ = try root.enrol(
                .writer, domain: domain, label: "machine-\(number + 1)", secret: secrets[number])
        }
        for (index, secret) in secrets.enumerated() {
            let name = "machine-\(index + 1)"
            machines.append(
                Machine(
                    name: name,
                    volume: ChangingVolume(chunks: 16, seed: mixed(seed, UInt64(index))),
                    repository: try Self.open(store, folder, name, secret, nil), secret: secret))
        }
        keeper = try Self.open(store, folder, "keeper", keeperSecret, nil)
    }

    /// The secret of a key file, which spares deriving a key from a password.
    private static func secret() -> WrappingSecret { .keyFile(SecretBytes(randomBytes(32))) }

    private static func open(
        _ store: any ObjectStore, _ folder: String, _ name: String, _ secret: WrappingSecret?,
        _ recovery: RecoveryKey?
    ) throws -> Repository {
        try Repository.open(
            store, secret: secret, recovery: recovery, stateRoot: "\(folder)/\(name)/state",
            cacheRoot: "\(folder)/\(name)/cache")
    }

    /// The same machine's repository opened anew, as a new process would.
    func reopened(_ machine: Machine) throws -> Repository {
        try Self.open(store, folder, machine.name, machine.secret, nil)
    }

    func reopenedKeeper() throws -> Repository {
        try Self.open(store, folder, "keeper", keeperSecret, nil)
    }

    func backUp(_ machine: Machine, with repository: Repository? = nil) throws {
        var options = BackupOptions(
            machine: machine.name, sources: [.init(name: "disk", reader: machine.volume)])
        options.usesFingerprints = false
        options.threads = 1
        _ = try Operations(on: repository ?? machine.repository).backup(options)
    }

    /// Forgets what the policy does not keep, with one entry of the keeper's.
    func forget(_ policy: RetentionPolicy, now: UInt64) throws -> Int {
        var count = 0
        _ = try keeper.keep { ledger in
            var doomed: [Digest] = []
            for points in Dictionary(grouping: ledger.points, by: \.member).values {
                let kept = policy.kept(points.map { (id: $0.id, time: $0.time) }, now: now)
                doomed += points.map(\.id).filter { !kept.contains($0) }
            }
            count = doomed.count
            guard !doomed.isEmpty else { return nil }
            return { entry in entry.forgotten = doomed.sorted() }
        }
        return count
    }

    /// How many objects of each kind there are, and their bytes.
    func objects() throws -> [String: ObjectCount] {
        var counts: [String: ObjectCount] = [:]
        for prefix in [
            ObjectNames.packsPrefix, ObjectNames.indexPrefix, ObjectNames.logPrefix,
            ObjectNames.checkpointsPrefix, ObjectNames.pointsPrefix, ObjectNames.checksPrefix,
        ] {
            var count = ObjectCount()
            try store.list(prefix) { _, size throws(LifeboatError) in
                count.number += 1
                count.bytes += size
            }
            counts[String(prefix.dropLast())] = count
        }
        return counts
    }
}

/// Objects of one kind.
struct ObjectCount: Codable {
    var number = 0
    var bytes: UInt64 = 0
}
