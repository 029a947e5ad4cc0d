import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatProtocol
import LifeboatStore
import LifeboatSystem

extension Collector {
    /// Merges index runs that lie too deep over each other, or name too many packs that are gone.
    func tidyRuns(
        _ ledger: Ledger, _ tidying: inout CollectionProtocol.Tidying
    ) throws(LifeboatError) {
        guard let index else { return }
        let emptied = Set(tidying.emptied)
        let packs = Set(tidying.packs)
        let isScanned = isIndexLost
        // A keeper's word is believed: it must not repeat what somebody else made up.
        let gone: (Digest, Digest) -> Bool = { run, pack in
            if emptied.contains(pack) { return true }
            if packs.contains(pack) { return false }
            if ledger.packs[pack] == nil { return true }
            return !isScanned && ledger.runs[run] != nil && !ledger.vouches(run: run, for: pack)
        }
        var added: [Digest] = []
        var replaced: Set<Digest> = []
        for (id, domain) in repository.domains.sorted(by: { $0.key < $1.key }) {
            var fresh: [IndexRun] = []
            if let entries = entries[id] {
                try IndexMerge.merge(try entries.finish(), level: 0) {
                    plain throws(LifeboatError) in fresh.append(try store(plain, domain))
                }
            }
            var old: [IndexRun] = []
            for run in index.runs where try runDomain(run.name) == id { old.append(run) }
            let result = try merged(old + fresh, fresh, domain, gone)
            added += result.added
            replaced.formUnion(result.replaced)
        }
        tidying.runs = added
        tidying.replacedRuns = replaced.filter { ledger.runs[$0] != nil }.sorted()
        if isIndexLost {
            tidying.replacedRuns = ledger.runs.keys.filter { !added.contains($0) }.sorted()
        }
        outcome.mergedRuns = tidying.replacedRuns.count
    }

    /// The runs of one domain after merging; those of the index that they replace.
    func merged(
        _ runs: [IndexRun], _ fresh: [IndexRun], _ domain: DomainKeys,
        _ gone: (Digest, Digest) -> Bool
    ) throws(LifeboatError) -> (added: [Digest], replaced: Set<Digest>) {
        var all = runs
        var added = fresh.map(\.name)
        var replaced: Set<Digest> = []
        var isFirst = true
        while true {
            var due = IndexMerge.due(all)
            if isFirst, isIndexLost {
                due = all
            } else if due.isEmpty, isFirst {
                due = try stale(all, gone)
            }
            isFirst = false
            guard !due.isEmpty else { return (added, replaced) }
            let deepest = due.map(\.shape.level).max() ?? 0
            var result: [IndexRun] = []
            try IndexMerge.merge(
                due, level: min(due.count > 1 ? deepest + 1 : deepest, 200), without: gone
            ) { plain throws(LifeboatError) in
                result.append(try store(plain, domain))
            }
            let names = Set(due.map(\.name))
            all = all.filter { !names.contains($0.name) } + result
            added = added.filter { !names.contains($0) } + result.map(\.name)
            replaced.formUnion(names)
        }
    }

    /// The domain of a run, which stands in the clear in its header.
    func runDomain(_ name: Digest) throws(LifeboatError) -> Identifier? {
        guard repository.configuration.domains.count > 1, !isIndexLost else {
            return repository.domain?.domain
        }
        var head = [UInt8](repeating: 0, count: 40)
        let got = try head.withMutableBytes { raw throws(LifeboatError) in
            try repository.store.read(ObjectNames.indexRun(name), at: 0, into: raw)
        }
        return got == head.count ? Identifier(Array(head[24..<40])) : nil
    }

    /// Runs more than a fourth of whose packs are gone.
    func stale(
        _ runs: [IndexRun], _ gone: (Digest, Digest) -> Bool
    ) throws(LifeboatError) -> [IndexRun] {
        var result: [IndexRun] = []
        for run in runs {
            let packs = try run.packs()
            if packs.count(where: { gone(run.name, $0) }) * 4 > packs.count { result.append(run) }
        }
        return result
    }

    func store(
        _ plain: [UInt8], _ domain: DomainKeys
    ) throws(LifeboatError) -> IndexRun {
        let object = IndexRunObject.seal(plain, domain: domain, writer: keys)
        let name = SHA256Hash.digest(object)
        try repository.store.put(
            ObjectNames.indexRun(name), bytes: object, contentDigest: name)
        let path = repository.directories.indexCache + "/" + name.hex
        try Files.writeAtomically(path, plain)
        return try IndexRun(name, path: path)
    }
}
