import LifeboatCore
import LifeboatSystem

/// Which packs are known to hold what their directories say: with the recovery key, those whose
/// frames were opened and whose every slot has its id.
///
/// Safe from many threads, one at a time.
final class PackProofs: @unchecked Sendable {
    private let repository: Repository
    private let scrub: PackScrub
    private let proofs = Guarded<[Digest: Bool]>([:])

    init(_ repository: Repository) {
        self.repository = repository
        scrub = PackScrub(repository)
    }

    func isProven(_ pack: Digest) -> Bool {
        guard repository.recovery != nil else { return false }
        return proofs.withLock { proofs in
            if let known = proofs[pack] { return known }
            let proof = (try? check(pack)) != nil
            proofs[pack] = proof
            return proof
        }
    }

    private func check(_ name: Digest) throws(LifeboatError) {
        let pack = try OpenPack.open(
            name, store: repository.store, domains: repository.domains,
            recovery: repository.recovery)
        _ = try scrub.checkFrames(pack)
    }
}
