import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatProtocol
import LifeboatStore
import LifeboatSystem

/// Stores anew what is still needed of packs that are small or mostly dead.
///
/// Frames are moved as they are, dead ones left behind; with the recovery key, frames that are
/// partly dead are made anew.
final class PackTidier {
    /// A pack as collection sees it.
    struct Candidate {
        let name: Digest
        let byteCount: UInt64
        let usage: Marker.Usage

        /// The share of its slots that nobody needs from here, 0 to 1.
        var dead: Double {
            usage.entries == 0 ? 0 : 1 - Double(usage.needed) / Double(usage.entries)
        }
    }

    /// What a pack holds, looked at slot by slot.
    private struct Plan {
        let pack: OpenPack
        /// By frame, how many of its slots are needed from here.
        var needed: [Int]
        /// Bytes of frames without any, and, by shares, of dead slots in others.
        var deadFrameBytes: UInt64 = 0
        var heldBytes: UInt64 = 0
    }

    private let repository: Repository
    private let liveness: Liveness
    private let isNeeded: (Digest, Digest) -> Bool
    private let events: any EventSink
    private let cancellation: Cancellation

    private(set) var added: [Digest] = []
    /// Bytes of each pack that was added.
    private(set) var sizes: [Digest: UInt64] = [:]
    private(set) var emptied: [Digest] = []
    private(set) var sparse: [Digest] = []
    /// Bytes of packs that were written.
    private(set) var storedBytes: UInt64 = 0
    /// Dead bytes that stay, because only the recovery key could free them or it does not pay.
    private(set) var heldBytes: UInt64 = 0
    private let entries: [Identifier: SessionIndex]
    private var problems: [LifeboatError] = []

    /// - `isNeeded`: whether an id must stay for the sake of the pack of this name.
    /// - `entries`: by domain, takes what is stored anew.
    init(
        _ repository: Repository, liveness: Liveness, entries: [Identifier: SessionIndex],
        isNeeded: @escaping (Digest, Digest) -> Bool, events: any EventSink,
        cancellation: Cancellation
    ) {
        self.repository = repository
        self.liveness = liveness
        self.entries = entries
        self.isNeeded = isNeeded
        self.events = events
        self.cancellation = cancellation
    }

    /// What could not be moved because it is damaged; it stays where it is.
    var faults: [LifeboatError] { problems }

    /// Packs of a size class are put together when there are so many of them, so that everything
    /// is moved once for each factor of eight by which packs grow.
    static let mergeCount = 8

    /// How many packs are named to writers as worth storing anew.
    static let sparseLimit = 64

    /// Chooses among packs that are needed, and stores anew what it chose.
    ///
    /// `maximumUnused`: percent of all stored bytes that may be dead.
    func tidy(_ candidates: [Candidate], maximumUnused: Int) throws(LifeboatError) {
        let chosen = Self.choose(candidates, maximumUnused: maximumUnused)
        guard !chosen.isEmpty else {
            heldBytes = candidates.reduce(0) { $0 + UInt64(Double($1.byteCount) * $1.dead) }
            return
        }
        var plans: [Plan] = []
        let names = Set(chosen.map(\.name))
        for candidate in candidates where !names.contains(candidate.name) {
            heldBytes += UInt64(Double(candidate.byteCount) * candidate.dead)
        }
        events.tell(.started(stage: "tidying", total: UInt64(chosen.count)))
        for candidate in chosen {
            try cancellation.check()
            do throws(LifeboatError) {
                plans.append(try plan(candidate))
            } catch {
                try note(error)
            }
        }
        try move(plans, isSmall: Set(Self.small(candidates).map(\.name)))
        events.tell(.finished(stage: "tidying"))
    }

    /// Small packs of a class that has many, and packs with the most dead space until the rest
    /// has no more than it may.
    static func choose(_ candidates: [Candidate], maximumUnused: Int) -> [Candidate] {
        var chosen: [Candidate] = small(candidates)
        var names = Set(chosen.map(\.name))
        let total = candidates.reduce(0) { $0 + Double($1.byteCount) }
        var dead = candidates.reduce(0) { $0 + Double($1.byteCount) * $1.dead }
        let allowed = total * Double(maximumUnused) / 100
        for candidate in candidates.sorted(by: {
            $0.dead != $1.dead ? $0.dead > $1.dead : $0.name < $1.name
        }) {
            guard dead > allowed, candidate.dead > 0 else { break }
            dead -= Double(candidate.byteCount) * candidate.dead
            if names.insert(candidate.name).inserted { chosen.append(candidate) }
        }
        return chosen.sorted { $0.name < $1.name }
    }

    private static func small(_ candidates: [Candidate]) -> [Candidate] {
        var classes: [Int: [Candidate]] = [:]
        for candidate in candidates {
            // Classes of packs by factors of eight below the target.
            var limit = UInt64(PackLayout.targetByteCount) / 4
            guard candidate.byteCount < limit else { continue }
            var number = 0
            while candidate.byteCount < limit / 8, limit > 8192 {
                limit /= 8
                number += 1
            }
            classes[number, default: []].append(candidate)
        }
        return classes.values.filter { $0.count >= mergeCount }.flatMap { $0 }
    }

    /// What is damaged stays where it is; what is gone, another keeper has moved meanwhile.
    private func note(_ error: LifeboatError) throws(LifeboatError) {
        switch error.code {
        case .damaged: problems.append(error)
        case .missing: break
        default: throw error
        }
    }

    private func plan(_ candidate: Candidate) throws(LifeboatError) -> Plan {
        let pack = try OpenPack.open(
            candidate.name, store: repository.store, domains: repository.domains,
            recovery: repository.recovery)
        let directory = pack.directory
        var plan = Plan(pack: pack, needed: [Int](repeating: 0, count: directory.frames.count))
        for (number, frame) in directory.frames.enumerated() {
            var dead: UInt64 = 0
            for slot in directory.firstSlots[number]..<directory.firstSlots[number + 1] {
                if isNeeded(directory.slots[slot].id, candidate.name) {
                    plan.needed[number] += 1
                } else {
                    dead += UInt64(directory.slots[slot].length)
                }
            }
            let share = Double(dead) / Double(max(frame.plainLength, 1))
            let bytes = UInt64(Double(frame.sealedLength) * share)
            if plan.needed[number] == 0 {
                plan.deadFrameBytes += UInt64(frame.sealedLength)
            } else {
                plan.heldBytes += bytes
            }
        }
        return plan
    }

    // MARK: moving

    private struct Kind: Hashable {
        let domain: Identifier
        let content: UInt8
    }

    private func move(_ plans: [Plan], isSmall: Set<Digest>) throws(LifeboatError) {
        var moved: [Kind: [FrameMover.Source]] = [:]
        var remade: [Kind: [FrameMover.Source]] = [:]
        var moving: [Digest] = []
        for plan in plans {
            let pack = plan.pack
            let kind = Kind(
                domain: pack.header.domain, content: pack.header.content.rawValue)
            let canRemake = pack.keys != nil
            // Without the keys, moving pays only where whole frames are dead or packs are small.
            let freed = plan.deadFrameBytes + (canRemake ? plan.heldBytes : 0)
            guard isSmall.contains(pack.name) || freed * 20 > pack.byteCount else {
                heldBytes += plan.heldBytes + plan.deadFrameBytes
                if sparse.count < Self.sparseLimit, pack.header.content == .data {
                    sparse.append(pack.name)
                }
                continue
            }
            moving.append(pack.name)
            for (number, frame) in pack.directory.frames.enumerated()
            where plan.needed[number] > 0 {
                let source = FrameMover.Source(pack: pack, frame: number)
                let isPartlyDead = plan.needed[number] * 10 < Int(frame.slotCount) * 9
                if canRemake, isPartlyDead {
                    remade[kind, default: []].append(source)
                } else {
                    moved[kind, default: []].append(source)
                }
            }
            if !canRemake { heldBytes += plan.heldBytes }
        }
        guard !moving.isEmpty else { return }
        var failed: Set<Digest> = []
        for (kind, sources) in moved.sorted(by: { $0.key.content < $1.key.content }) {
            try moveFrames(sources, kind, &failed)
        }
        for (kind, sources) in remade.sorted(by: { $0.key.content < $1.key.content }) {
            try remakeFrames(sources, kind, &failed)
        }
        emptied = moving.filter { !failed.contains($0) }
    }

    private func moveFrames(
        _ sources: [FrameMover.Source], _ kind: Kind, _ failed: inout Set<Digest>
    ) throws(LifeboatError) {
        guard let domain = repository.domains[kind.domain] else { return }
        let mover = FrameMover(repository: repository, domain: domain)
        var batch: [FrameMover.Cargo] = []
        var loaded: (pack: Digest, bytes: [UInt8]?)?
        var keys: Set<Digest> = []
        var byteCount = 0
        func flush() throws(LifeboatError) {
            guard !batch.isEmpty else { return }
            do throws(LifeboatError) {
                let stored = try mover.store(batch)
                try add(stored.name, stored.directory, UInt64(stored.byteCount), kind)
            } catch {
                try note(error)
                failed.formUnion(batch.map(\.source.pack.name))
            }
            batch.removeAll()
            keys.removeAll()
            byteCount = 0
        }
        for source in sources {
            try cancellation.check()
            let cargo: FrameMover.Cargo
            do throws(LifeboatError) {
                if loaded?.pack != source.pack.name {
                    loaded = (source.pack.name, nil)
                    loaded?.bytes = try mover.load(source.pack)
                }
                guard let bytes = loaded?.bytes else { continue }
                cargo = try mover.take(source, outOf: bytes)
            } catch {
                try note(error)
                failed.insert(source.pack.name)
                continue
            }
            let frame = source.pack.directory.frames[source.frame]
            let keyID = source.pack.keyIDs[Int(frame.keyIndex)]
            let size =
                Int(frame.sealedLength) + PackDirectory.frameByteCount
                + Int(frame.slotCount) * PackDirectory.slotByteCount
                + (keys.contains(keyID) ? 0 : source.pack.header.keyByteCount)
            if byteCount + size > PackLayout.targetByteCount - 4096
                || keys.count >= FrameMover.keyLimit && !keys.contains(keyID)
                || batch.count >= PackLayout.frameLimit
            {
                try flush()
            }
            batch.append(cargo)
            keys.insert(keyID)
            byteCount += size
        }
        try flush()
    }

    private func add(
        _ name: Digest, _ directory: PackDirectory, _ byteCount: UInt64, _ kind: Kind
    ) throws(LifeboatError) {
        try entries[kind.domain]?.add(name, directory)
        added.append(name)
        sizes[name] = byteCount
        storedBytes += byteCount
    }

    /// Decodes frames, and makes new ones of the slots that are needed.
    private func remakeFrames(
        _ sources: [FrameMover.Source], _ kind: Kind, _ failed: inout Set<Digest>
    ) throws(LifeboatError) {
        guard let domain = repository.domains[kind.domain],
            let content = PackLayout.Content(rawValue: kind.content)
        else { return }
        let writer = FrameWriter(repository, domain: domain, content: content)
        let decoder = FrameDecoder(store: repository.store, repository: repository.id)
        let plain = Buffer(capacity: PackLayout.frameByteLimit)
        for source in sources {
            try cancellation.check()
            let directory = source.pack.directory
            let frame = directory.frames[source.frame]
            do throws(LifeboatError) {
                try decoder.decode(
                    source.frame, of: source.pack, plainCount: Int(frame.plainLength),
                    into: plain.storage)
            } catch {
                try note(error)
                failed.insert(source.pack.name)
                continue
            }
            var offset = 0
            for slot in directory.firstSlots[source.frame]..<directory.firstSlots[source.frame + 1]
            {
                let length = Int(directory.slots[slot].length)
                let id = directory.slots[slot].id
                if isNeeded(id, source.pack.name) {
                    let bytes = UnsafeRawBufferPointer(
                        rebasing: UnsafeRawBufferPointer(plain.storage)[offset..<offset + length])
                    guard writer.isRight(bytes, id) else {
                        problems.append(
                            LifeboatError(
                                .damaged, "a slot does not hold what its directory says",
                                subject: ObjectNames.pack(source.pack.name).path))
                        failed.insert(source.pack.name)
                        break
                    }
                    try writer.append(bytes, id) { name, directory, count throws(LifeboatError) in
                        try add(name, directory, count, kind)
                    }
                }
                offset += length
            }
        }
        try writer.finish { name, directory, count throws(LifeboatError) in
            try add(name, directory, count, kind)
        }
    }
}
