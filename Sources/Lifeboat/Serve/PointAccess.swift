import LifeboatArchive
import LifeboatCore
import LifeboatStore
import LifeboatSystem

/// What the volumes of an open point share: caches, helpers, and what is known of the repository.
///
/// Safe from many threads.
final class PointAccess: Sendable {
    /// What the log and the index say at some moment; keepers move things.
    struct Sight: Sendable {
        var index: Index
        var packs: PackCache
        var nodes: NodeReader
        var time: Double
    }

    let repository: Repository
    let frames: FrameCache
    let disk: SealedFrameCache?
    let helpers: ReadHelpers
    /// Bytes that are read ahead of who reads in order.
    let window: UInt64
    private let source: FrameSource
    private let operations: Operations
    private let sight: Guarded<Sight>
    private let renewal = Guarded(0)

    /// How long what is damaged is believed to be so, before log and index are read again.
    private static let renewalSeconds = 10.0

    init(
        _ operations: Operations, _ repository: Repository, _ log: LogView,
        _ options: PointReaderOptions
    ) throws(LifeboatError) {
        self.operations = operations
        self.repository = repository
        sight = Guarded(try Self.look(repository, operations, log))
        let parallel = repository.store.parallelRequests
        disk =
            options.usesDisk ?? (parallel > 1)
            ? SealedFrameCache(
                directory: repository.directories.cache, limit: options.cacheSize) : nil
        // The rest is for what is on its way, for directories of packs and for the block map.
        let memory = Int(min(options.memory, 1 << 40))
        frames = FrameCache(limit: max(16 << 20, memory / 2))
        source = FrameSource(repository, disk: disk)
        helpers = ReadHelpers(count: max(parallel, Threads.processorCount))
        window = UInt64(max(2 << 20, min(32 << 20, memory / 8)))
    }

    private static func look(
        _ repository: Repository, _ operations: Operations, _ log: LogView
    ) throws(LifeboatError) -> Sight {
        let index = try operations.openIndex(repository, log: log)
        let packs = try PackCache(repository)
        return Sight(
            index: index, packs: packs,
            nodes: try NodeReader(repository, index: index, packs: packs),
            time: Clock.monotonicSeconds())
    }

    /// Runs `body` with what is known of the repository; where that finds damage, once more after
    /// everything was read anew: a keeper may have moved it.
    func looking<Value>(
        _ body: (Sight) throws(LifeboatError) -> Value
    ) throws(LifeboatError) -> Value {
        let current = sight.withLock { $0 }
        do throws(LifeboatError) {
            return try body(current)
        } catch {
            guard error.code == .damaged, let fresh = renewed(after: current) else { throw error }
            return try body(fresh)
        }
    }

    /// A fresh look; `nil` when the last one was not long ago, or it does not come about.
    private func renewed(after old: Sight) -> Sight? {
        renewal.withLock { _ in
            let now = sight.withLock { $0 }
            // Somebody else was faster.
            if now.time > old.time { return now }
            guard Clock.monotonicSeconds() - now.time > Self.renewalSeconds,
                let log = try? repository.readLog(),
                let fresh = try? Self.look(repository, operations, log)
            else { return nil }
            sight.withLock { $0 = fresh }
            return fresh
        }
    }

    /// A chunk's bytes, in a frame that keeps them alive.
    func chunk(
        _ id: Digest, _ locator: Locator, _ sight: Sight
    ) throws(LifeboatError) -> (frame: DecodedFrame, slot: Int) {
        if let known = frames.chunk(id) { return known }
        var avoided: Set<Digest> = []
        var fault: LifeboatError?
        while true {
            let place: Locator.Place
            do throws(LifeboatError) {
                place = try locator.find(id, except: avoided)
            } catch {
                throw error.code == .damaged ? fault ?? error : error
            }
            do throws(LifeboatError) {
                let frame = try self.frame(place, sight)
                if place.slot < frame.ids.count, frame.ids[place.slot] == id {
                    return (frame, place.slot)
                }
                throw LifeboatError(
                    .damaged, "slot \(place.slot) of frame \(place.frame) is not what its id says",
                    subject: ObjectNames.pack(place.pack.name).path,
                    advice: "run verify to learn what is lost")
            } catch {
                guard error.code == .damaged else { throw error }
                // Damaged frames are not good for what others want of them.
                fault = fault ?? error
                avoided.insert(place.pack.name)
            }
        }
    }

    /// The frame that a chunk lies in.
    func frame(
        _ place: Locator.Place, _ sight: Sight
    ) throws(LifeboatError) -> DecodedFrame {
        let name = FrameName(pack: place.pack.name, frame: place.frame)
        return try frames.frame(name) { () throws(LifeboatError) in
            try source.fetch(place.frame, of: place.pack, packs: sight.packs)
        }
    }
}
