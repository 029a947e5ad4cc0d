import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatProtocol
import LifeboatStore
import LifeboatSystem

extension ReplicaSync {
    /// What became of one object.
    private enum Copied: Sendable {
        case done(UInt64)
        case missing
        case damaged(LifeboatError)
    }

    /// Copies packs, runs and bodies, each checked by its name's digest.
    ///
    /// False when some were not there and it may be that a keeper deleted them meanwhile.
    func copyObjects(_ plan: Plan, _ known: Known) throws(LifeboatError) -> Bool {
        let stage = "copying"
        events.tell(.started(stage: stage, total: nil))
        let done = Guarded(outcome.bytesCopied)
        let results = try inParallel(plan.objects) {
            [source, target, events] reference
                throws(LifeboatError) in
            let copied = try Self.copy(reference, from: source.store, to: target)
            if case .done(let count) = copied {
                let sum = done.withLock { sum in
                    sum += count
                    return sum
                }
                events.tell(.progress(stage: stage, done: sum, total: nil))
            }
            return copied
        }
        events.tell(.finished(stage: stage))
        var isWhole = true
        outcome.damaged = []
        for (reference, result) in zip(plan.objects, results) {
            let name = ObjectNames.object(reference)
            switch result {
            case .done(let count):
                outcome.objectsCopied += 1
                outcome.bytesCopied += count
                if reference.kind == .pack {
                    outcome.packsCopied += 1
                    let isMarked = known.marked.contains(reference.digest)
                    if isMarked || record.isIncomplete || options.asksForAll {
                        try target.delete(ObjectNames.damagedMarker(reference.digest))
                        try target.delete(ObjectNames.damagedBytes(reference.digest))
                    }
                }
            case .missing:
                if missedBefore.insert(name).inserted {
                    isWhole = false
                } else {
                    outcome.damaged.append(
                        LifeboatError(
                            .damaged, "the source has lost it", subject: name.path,
                            advice: "repair the source, or go on without: --accept-damage"))
                }
            case .damaged(let fault): outcome.damaged.append(fault)
            }
        }
        return isWhole
    }

    private static func copy(
        _ reference: ObjectReference, from source: any ObjectStore, to target: any ObjectStore
    ) throws(LifeboatError) -> Copied {
        let name = ObjectNames.object(reference)
        let bytes: [UInt8]
        do throws(LifeboatError) {
            bytes = try source.get(name, limit: Envelope.byteLimit)
        } catch {
            switch error.code {
            case .missing: return .missing
            case .damaged: return .damaged(error)
            default: throw error
            }
        }
        guard SHA256Hash.digest(bytes) == reference.digest else {
            return .damaged(
                LifeboatError(
                    .damaged, "at the source it is not what its name says", subject: name.path,
                    advice: "it was not copied; repair the source with: lifeboat verify --repair"))
        }
        try put(name, bytes, to: target)
        return .done(UInt64(bytes.count))
    }

    /// Puts an object that is not part of any view yet, in the place of what an interrupted put
    /// may have left.
    static func put(
        _ name: ObjectName, _ bytes: [UInt8], to target: any ObjectStore
    ) throws(LifeboatError) {
        do throws(LifeboatError) {
            try target.put(name, bytes: bytes)
        } catch {
            guard error.code == .exists else { throw error }
            let found: [UInt8]
            do throws(LifeboatError) {
                found = try target.get(name, limit: Envelope.byteLimit)
            } catch {
                guard error.code == .damaged || error.code == .missing else { throw error }
                found = []
            }
            if found != bytes { try target.replace(name, bytes: bytes) }
        }
    }

    // MARK: configurations, rosters, key slots

    /// Copies configurations and rosters in an order in which they can be followed at every moment.
    func copyChains(_ known: inout Known) throws(LifeboatError) {
        try copyEarlierRosters(known)
        var roster = source.rosters.digests.keys.min() ?? 1
        for link in source.configurations.links {
            let number = link.configuration.number
            // The first configuration confirms none, and needs the first one all the same.
            while roster <= max(1, link.configuration.rosterNumber) {
                if roster > known.roster { try copyRoster(roster) }
                roster += 1
            }
            guard number > known.configuration else { continue }
            try copySmall(ObjectNames.configuration(number), link.digest)
        }
        while roster <= source.roster.number {
            if roster > known.roster { try copyRoster(roster) }
            roster += 1
        }
        known.configuration = source.configuration.number
        known.roster = source.roster.number
    }

    private func copyRoster(_ number: UInt64) throws(LifeboatError) {
        guard let digest = source.rosters.digests[number] else { return }
        try copySmall(ObjectNames.roster(number), digest)
    }

    /// Those before the confirmed one, which nobody reads any more, from the last to the first.
    private func copyEarlierRosters(_ known: Known) throws(LifeboatError) {
        guard known.roster == 0, let first = source.rosters.digests.keys.min(), first > 1 else {
            return
        }
        var expected = source.rosters.digests[first]
        for number in (1...first).reversed() {
            let name = ObjectNames.roster(number)
            guard let bytes = try? source.store.get(name, limit: Envelope.byteLimit),
                SHA256Hash.digest(bytes) == expected,
                let envelope = try? Envelope(
                    .roster, decoding: bytes, isSigned: true, subject: name.path),
                let roster = try? Roster(payload: envelope.payload)
            else {
                outcome.notes.append("\(name.path) is damaged; nobody needs it any more")
                return
            }
            expected = roster.previous
            if number < first { try Self.put(name, bytes, to: target) }
        }
    }

    private func copySmall(_ name: ObjectName, _ digest: Digest) throws(LifeboatError) {
        let bytes = try source.store.get(name, limit: Envelope.byteLimit)
        guard SHA256Hash.digest(bytes) == digest else {
            throw LifeboatError(.damaged, "it is not what it was a moment ago", subject: name.path)
        }
        try Self.put(name, bytes, to: target)
    }

    /// Passwords and key files that open the source open the replica; others do not.
    func copySlots() throws(LifeboatError) {
        var names: Set<ObjectName> = []
        try source.store.list(ObjectNames.keysPrefix) { name, _ throws(LifeboatError) in
            names.insert(name)
        }
        for name in names.sorted() {
            let bytes: [UInt8]
            do throws(LifeboatError) {
                bytes = try source.store.get(name, limit: 65536)
            } catch {
                guard error.code == .missing else { throw error }
                continue
            }
            // What is no slot any more must not take the place of one.
            guard
                (try? Envelope(.keySlot, decoding: bytes, isSigned: false, subject: name.path))
                    != nil
            else {
                outcome.notes.append("key slot \(name.path) is damaged at the source")
                continue
            }
            try Self.put(name, bytes, to: target)
        }
        var gone: [ObjectName] = []
        try target.list(ObjectNames.keysPrefix) { name, _ throws(LifeboatError) in
            if !names.contains(name) { gone.append(name) }
        }
        // A listing may lag: the name decides.
        for name in gone where try source.store.size(name) == nil { try target.delete(name) }
    }

    // MARK: logs

    /// Copies the checkpoint and all log entries that a reader wants; false when one was gone.
    func copyLogs(_ log: LogView, _ known: Known) throws(LifeboatError) -> Bool {
        let ledger = log.ledger
        if let base = ledger.base, base != known.base {
            let name = ObjectNames.checkpoint(base)
            guard let bytes = try fetch(name), SHA256Hash.digest(bytes) == base.digest else {
                return false
            }
            try Self.put(name, bytes, to: target)
        }
        let logs = ledger.logs.sorted {
            ($0.value.isKeeper ? 0 : 1, $0.key) < ($1.value.isKeeper ? 0 : 1, $1.key)
        }
        for (incarnation, state) in logs {
            if state.isKeeper, ledger.base != known.base {
                guard try copyAnchors(incarnation, log) else { return false }
            }
            for verified in log.recent[incarnation] ?? []
            where verified.entry.sequence <= state.head.sequence
                && known.entries[incarnation]?.contains(verified.id) != true
            {
                let name = ObjectNames.logEntry(incarnation, verified.entry.sequence)
                guard let bytes = try fetch(name), SHA256Hash.digest(bytes) == verified.id else {
                    return false
                }
                try Self.put(name, bytes, to: target)
                outcome.entriesCopied += 1
            }
        }
        return true
    }

    /// Entries that a checkpoint covers and by which the end of a keeper's log is found.
    private func copyAnchors(
        _ incarnation: Identifier, _ log: LogView
    ) throws(LifeboatError) -> Bool {
        let cutoff = log.checkpointHeads[incarnation]?.sequence ?? 0
        guard cutoff > 0 else { return true }
        for sequence in LogSearch.anchors(cutoff: cutoff) {
            let name = ObjectNames.logEntry(incarnation, sequence)
            guard try target.size(name) == nil else { continue }
            guard let bytes = try fetch(name),
                (try? LogFetcher.check(
                    bytes, name, incarnation, sequence, source.id, source.roster)) != nil
            else {
                if missedBefore.insert(name).inserted { return false }
                // The view says where the log ends; others find it by what is there.
                outcome.notes.append("\(name.path) is not at the source any more")
                continue
            }
            try Self.put(name, bytes, to: target)
            outcome.entriesCopied += 1
        }
        return true
    }

    private func fetch(_ name: ObjectName) throws(LifeboatError) -> [UInt8]? {
        do throws(LifeboatError) {
            return try source.store.get(name, limit: Envelope.byteLimit)
        } catch {
            guard error.code == .missing else { throw error }
            return nil
        }
    }
}
