public import LifeboatCore
import LifeboatFormat
import LifeboatStore
import LifeboatSystem

/// Packs opened lately, bounded by what their directories take.
///
/// Safe from many threads.
public final class PackCache: @unchecked Sendable {
    private let repository: Repository
    private let recovery: RecoveryKey?
    private let limit: Int
    private let guardian = Condition()
    private var packs: [Digest: (pack: OpenPack, used: UInt64)] = [:]
    private var byteCount = 0
    private var clock: UInt64 = 0

    /// `limit`: bytes of memory.
    public init(_ repository: Repository, limit: Int = 24 << 20) throws(LifeboatError) {
        self.repository = repository
        _ = try repository.requireDomain()
        recovery = repository.recovery
        self.limit = limit
    }

    /// Whether reading a pack waits for a network.
    public var isRemote: Bool { repository.store.parallelRequests > 1 }

    /// The pack of this name, read from the store if it is not at hand.
    public func pack(_ name: Digest) throws(LifeboatError) -> OpenPack {
        if let pack = lookUp(name) { return pack }
        let pack = try OpenPack.open(
            name, store: repository.store, domains: repository.domains, recovery: recovery,
            foreignDomains: repository.foreignDomains)
        keep(pack)
        return pack
    }

    /// Drops a pack of which something turned out wrong, so that it is read anew.
    public func forget(_ pack: OpenPack) {
        repository.store.forget(pack.object)
        guardian.lock()
        defer { guardian.unlock() }
        guard let known = packs.removeValue(forKey: pack.name) else { return }
        byteCount -= known.pack.memoryByteCount
    }

    /// Opens packs that will be asked for, several at once where the store is behind a network.
    ///
    /// What cannot be read is told when it is asked for.
    public func open(ahead names: [Digest]) {
        let missing = names.filter { lookUp($0) == nil }
        let parallel = min(repository.store.parallelRequests, missing.count)
        guard parallel > 1 else { return }
        let next = Guarded(0)
        Threads.run(count: parallel, name: "packs") { [self] _ in
            while true {
                let number = next.withLock { number in
                    defer { number += 1 }
                    return number
                }
                guard number < missing.count else { return }
                _ = try? pack(missing[number])
            }
        }
    }

    private func lookUp(_ name: Digest) -> OpenPack? {
        guardian.lock()
        defer { guardian.unlock() }
        guard let entry = packs[name] else { return nil }
        clock += 1
        packs[name] = (entry.pack, clock)
        return entry.pack
    }

    private func keep(_ pack: OpenPack) {
        guardian.lock()
        defer { guardian.unlock() }
        guard packs[pack.name] == nil else { return }
        clock += 1
        packs[pack.name] = (pack, clock)
        byteCount += pack.memoryByteCount
        while byteCount > limit, packs.count > 1,
            let oldest = packs.min(by: { $0.value.used < $1.value.used })
        {
            packs[oldest.key] = nil
            byteCount -= oldest.value.pack.memoryByteCount
        }
    }
}
