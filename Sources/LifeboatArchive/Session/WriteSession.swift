import LifeboatCodec
public import LifeboatCore
public import LifeboatFormat
import LifeboatProtocol
import LifeboatStore
import LifeboatSystem

/// A writer at work: takes frames and nodes, fills packs, stores them, and at the end commits a
/// point with one log entry.
///
/// Safe from many threads. Nothing that a session stores is visible before `commit` returns; a
/// session that dies leaves packs that the next one takes over.
public final class WriteSession: @unchecked Sendable {
    public let repository: Repository
    public let index: Index
    let domain: DomainKeys
    let writer: WriterKeys
    /// Ids to be stored again wherever they are met, because their packs are damaged.
    public let lost: Set<Digest>
    /// Ids to be stored again where they are met, because a keeper found their packs mostly dead.
    private let sparse: Set<Digest>
    public let isDryRun: Bool

    let guardian = Condition()
    let stored: SessionIndex
    /// `nil` for a dry run.
    let opening: SessionOpening
    private let buffers: BufferPool
    private let closedPacks = BoundedQueue<PackBuilder>(capacity: 8)
    private var storing: [Threads.Handle] = []
    private var open: [PackLayout.Content: PackBuilder] = [:]
    private var unfinished = 0
    private var failure: LifeboatError?
    /// Ids in frames that are not in a durable pack yet.
    private var pending: Set<Digest> = []

    /// Bytes put into the store: data packs, and everything else.
    public private(set) var dataBytes: UInt64 = 0
    public internal(set) var metadataBytes: UInt64 = 0
    /// Packs of interrupted sessions that were taken over.
    public private(set) var adoptedPacks = 0

    private let nodes: NodeFrames

    /// - `opening`: what the session may rely on; ends with the session.
    /// - `packBuffers`: how many packs may be in memory at once, 38 MiB each at most.
    public init(
        _ repository: Repository, _ opening: SessionOpening, index: Index, packBuffers: Int
    ) throws(LifeboatError) {
        self.repository = repository
        self.opening = opening
        self.index = index
        isDryRun = opening.isDryRun
        domain = try repository.requireDomain()
        writer = try repository.requireMember()
        lost = try index.lostIDs()
        sparse = opening.session == nil ? [] : Self.sparseIDs(repository, opening.ledger, index)
        stored = SessionIndex(repository.directories)
        let putters = min(Self.parallelPuts, repository.store.parallelRequests)
        buffers = BufferPool(
            count: max(3, packBuffers) + putters - 1, capacity: PackBuilder.bufferByteCount)
        nodes = NodeFrames(hasher: domain.nodeHasher())
        try adoptAbandoned()
        storing = (0..<putters).map { _ in
            Threads.start(name: "store") { [self] in storeClosedPacks() }
        }
    }

    /// Packs that are put at once, at most: each takes a buffer.
    private static let parallelPuts = 3

    /// Takes over what a session that died has stored; its packs were noted as this session's
    /// when that was opened.
    private func adoptAbandoned() throws(LifeboatError) {
        guard let open = opening.session else { return }
        var seen: Set<Digest> = []
        for (old, packs) in open.abandoned {
            for name in packs where seen.insert(name).inserted {
                // What is missing or damaged is simply not taken over.
                guard !index.damaged.contains(name),
                    let pack = try? OpenPack.open(
                        name, store: repository.store, domains: repository.domains, recovery: nil)
                else { continue }
                try stored.add(name, pack.directory)
                adoptedPacks += 1
            }
            try old.remove()
        }
    }

    /// Sparse packs whose chunks one session stores anew: a bounded share of its work.
    static let sparsePackLimit = 8

    /// What lies in some of the sparse packs that this member added.
    private static func sparseIDs(
        _ repository: Repository, _ ledger: Ledger, _ index: Index
    ) -> Set<Digest> {
        let own = ledger.sparse.values.joined().filter { (pack: Digest) in
            ledger.packs[pack]?.member == repository.writer?.writer && ledger.trusts(pack)
        }
        var ids: Set<Digest> = []
        // Which ones differs from run to run, so that all have their turn.
        for name in own.shuffled().prefix(sparsePackLimit) {
            guard
                let pack = try? OpenPack.open(
                    name, store: repository.store, domains: repository.domains, recovery: nil)
            else { continue }
            ids.formUnion(pack.directory.slots.map(\.id))
        }
        return ids
    }

    // MARK: what is known

    /// Whether a chunk or node need not be stored: it is in the repository or on its way there.
    public func knows(_ id: Digest) throws(LifeboatError) -> Bool {
        if try holds(id) { return true }
        if sparse.contains(id) { return false }
        return try index.contains(id)
    }

    /// Whether this session has stored a chunk or node, or is about to.
    private func holds(_ id: Digest) throws(LifeboatError) -> Bool {
        guardian.lock()
        defer { guardian.unlock() }
        if pending.contains(id) { return true }
        return try stored.contains(id)
    }

    /// Notes that `id` will be in a frame given to `store`.
    public func expect(_ id: Digest) {
        guardian.lock()
        // A dry run stores nothing that would take ids out again: it forgets some duplicates
        // instead of growing without bound.
        if isDryRun, pending.count >= 1 << 20 { pending.removeAll() }
        pending.insert(id)
        guardian.unlock()
    }

    // MARK: storing

    /// Compresses, seals and stores a frame of chunks; returns its sealed size in bytes.
    public func store(
        _ plain: UnsafeRawBufferPointer, slots: [PackDirectory.Slot], encoder: FrameEncoder
    ) throws(LifeboatError) -> Int {
        try storeFrame(.data, plain, slots, encoder)
    }

    private func storeFrame(
        _ content: PackLayout.Content, _ plain: UnsafeRawBufferPointer,
        _ slots: [PackDirectory.Slot], _ encoder: FrameEncoder
    ) throws(LifeboatError) -> Int {
        let packed = try encoder.compress(plain)
        let sealedCount = packed.bytes.count + FrameCipher.tagByteCount
        if isDryRun { return sealedCount }
        let place = try reserve(
            content, sealedCount, plain.count, packed.encoding, slots)
        var fault: LifeboatError?
        do throws(LifeboatError) {
            try encoder.seal(packed.bytes, into: place)
        } catch {
            fault = error
        }
        guardian.lock()
        place.builder.outstanding -= 1
        if let fault, failure == nil { failure = fault }
        let isReady = place.builder.isClosed && place.builder.outstanding == 0
        guardian.unlock()
        if isReady { _ = closedPacks.push(place.builder) }
        if let fault { throw fault }
        return sealedCount
    }

    private func reserve(
        _ content: PackLayout.Content, _ sealedCount: Int, _ plainCount: Int, _ encoding: UInt8,
        _ slots: [PackDirectory.Slot]
    ) throws(LifeboatError) -> PackBuilder.Reservation {
        guardian.lock()
        defer { guardian.unlock() }
        while true {
            if let failure { throw failure }
            if let builder = open[content] {
                if builder.hasRoom(sealedByteCount: sealedCount, slotCount: slots.count) {
                    return builder.reserve(
                        sealedByteCount: sealedCount, plainLength: plainCount,
                        encoding: encoding, slots: slots)
                }
                close(content)
                continue
            }
            // Making a pack waits for a buffer, so it happens without the lock; another thread
            // may have made one meanwhile.
            guardian.unlock()
            let buffer = buffers.take()
            guardian.lock()
            guard open[content] == nil, failure == nil else {
                buffers.give(buffer)
                continue
            }
            open[content] = try PackBuilder(
                content, domain: domain, recoveryKey: repository.configuration.recoveryKey,
                buffer: buffer)
            unfinished += 1
        }
    }

    /// Closes the open pack of this content.
    ///
    /// Under the lock.
    private func close(_ content: PackLayout.Content) {
        guard let builder = open.removeValue(forKey: content) else { return }
        builder.isClosed = true
        // The queue has room for every buffer there is, so this does not wait.
        if builder.outstanding == 0 { _ = closedPacks.push(builder) }
    }

    private func storeClosedPacks() {
        while let builder = closedPacks.pop() {
            guardian.lock()
            let hasFailed = failure != nil
            guardian.unlock()
            var fault: LifeboatError?
            if !hasFailed {
                do throws(LifeboatError) {
                    try storePack(builder)
                } catch {
                    fault = error
                }
            }
            buffers.give(builder.buffer)
            guardian.lock()
            if let fault, failure == nil { failure = fault }
            unfinished -= 1
            guardian.broadcast()
            guardian.unlock()
        }
    }

    private func storePack(_ builder: PackBuilder) throws(LifeboatError) {
        let (name, bytes) = builder.finish()
        try repository.store.put(ObjectNames.pack(name), [bytes], contentDigest: name)
        guardian.lock()
        defer { guardian.unlock() }
        try opening.session?.journal.add(name)
        try stored.add(name, builder.directory)
        for slot in builder.directory.slots { pending.remove(slot.id) }
        if builder.content == .data {
            dataBytes += UInt64(bytes.count)
        } else {
            metadataBytes += UInt64(bytes.count)
        }
    }

    /// Takes over packs that are there, and that the session's point may need.
    func take(_ pack: OpenPack) throws(LifeboatError) {
        guardian.lock()
        defer { guardian.unlock() }
        try stored.add(pack.name, pack.directory)
        adoptedPacks += 1
    }

    /// Puts a pack that was made earlier, under its own name; `note` comes between the note in the
    /// session's journal and the put.
    func store(
        _ pack: OpenPack, _ bytes: [UInt8], note: () throws(LifeboatError) -> Void
    ) throws(LifeboatError) {
        try opening.session?.journal.note([pack.name])
        try note()
        do throws(LifeboatError) {
            try repository.store.put(pack.object, bytes: bytes, contentDigest: pack.name)
        } catch {
            guard error.code == .exists else { throw error }
            // What an earlier put left whose reply was lost; without atomic puts perhaps a part.
            if try repository.store.size(pack.object) != UInt64(bytes.count) {
                try repository.store.replace(pack.object, bytes: bytes)
            }
        }
        guardian.lock()
        defer { guardian.unlock() }
        try stored.add(pack.name, pack.directory)
        dataBytes += UInt64(bytes.count)
    }

    /// Stores everything that is still in memory, and waits until it is durable.
    public func flush() throws(LifeboatError) {
        try flushNodes()
        guardian.lock()
        close(.data)
        close(.metadata)
        while unfinished > 0 { guardian.wait() }
        let fault = failure
        guardian.unlock()
        if let fault { throw fault }
    }

    /// Ends the session's thread and gives back its memory.
    ///
    /// Call exactly once, in the end.
    public func end() {
        guardian.lock()
        if failure == nil { failure = LifeboatError(.cancelled, "the session has ended") }
        open.removeAll()
        guardian.unlock()
        buffers.close()
        closedPacks.close()
        for thread in storing { thread.join() }
        storing = []
        opening.end()
    }
}

extension WriteSession: NodeSink {
    public func isLost(_ id: Digest) -> Bool { lost.contains(id) || sparse.contains(id) }

    public func store(_ node: [UInt8], again: Bool) throws(LifeboatError) -> Digest {
        let id = node.withUnsafeBytes { nodes.hasher.digest($0) }
        guard try !(again ? holds(id) : knows(id)) else { return id }
        expect(id)
        nodes.append(node, id: id)
        if nodes.isFull { try flushNodes() }
        return id
    }

    private func flushNodes() throws(LifeboatError) {
        guard !nodes.slots.isEmpty else { return }
        let slots = nodes.slots
        let bytes = nodes.take()
        try bytes.withBytes { raw throws(LifeboatError) in
            _ = try storeFrame(.metadata, raw, slots, nodes.encoder)
        }
    }
}

/// The metadata frame being filled.
///
/// Used by the one thread that builds a block map.
private final class NodeFrames {
    /// Small enough that reading one node does not decode much, large enough to amortise.
    static let byteCount = 128 << 10

    let hasher: KeyedHasher
    let encoder = FrameEncoder(
        level: 3, frameByteCount: NodeFrames.byteCount + BlockMapNode.byteLimit)
    private var bytes: [UInt8] = []
    private(set) var slots: [PackDirectory.Slot] = []

    init(hasher: KeyedHasher) { self.hasher = hasher }

    var isFull: Bool { bytes.count >= Self.byteCount }

    func append(_ node: [UInt8], id: Digest) {
        bytes += node
        slots.append(.init(id: id, length: UInt32(node.count)))
    }

    func take() -> [UInt8] {
        defer {
            bytes.removeAll(keepingCapacity: true)
            slots.removeAll(keepingCapacity: true)
        }
        return bytes
    }
}
