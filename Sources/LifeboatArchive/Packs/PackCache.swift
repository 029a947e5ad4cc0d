public import LifeboatCore
import LifeboatFormat
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

    /// The pack of this name, read from the store if it is not at hand.
    public func pack(_ name: Digest) throws(LifeboatError) -> OpenPack {
        if let pack = lookUp(name) { return pack }
        let pack = try OpenPack(
            name, store: repository.store, domains: repository.domains, recovery: recovery,
            foreignDomains: repository.foreignDomains)
        keep(pack)
        return pack
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
