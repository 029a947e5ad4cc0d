public import LifeboatCore
import LifeboatFormat
import LifeboatStore

/// Finds chunks that are asked for in the order of a volume; one a thread.
///
/// Neighbours in a volume are mostly neighbours in a frame: the slot after the last one found is
/// tried before the index is asked.
public final class Locator {
    /// Where a chunk lies, in a pack that is open.
    public struct Place: Sendable {
        public let pack: OpenPack
        public let frame: Int
        /// Index of the slot in the frame.
        public let slot: Int
    }

    private let index: Index
    public let packs: PackCache
    private let readsDamaged: Bool
    private var last: Place?

    /// `readsDamaged`: what no whole pack holds is looked for in damaged ones; whoever reads it
    /// checks it against its id anyway.
    public init(index: Index, packs: PackCache, readsDamaged: Bool = true) {
        self.index = index
        self.packs = packs
        self.readsDamaged = readsDamaged
    }

    private func location(
        _ id: Digest, except avoided: Set<Digest>
    ) throws(LifeboatError) -> Location? {
        readsDamaged
            ? try index.findAnywhere(id, except: avoided) : try index.find(id, except: avoided)
    }

    /// Whether reading a pack waits for a network.
    public var isRemote: Bool { packs.isRemote }

    /// The pack in which `id` will be looked for first.
    public func packName(_ id: Digest) throws(LifeboatError) -> Digest? {
        try location(id, except: [])?.pack
    }

    /// The place of `id`, whose pack's directory confirms it.
    ///
    /// - Throws: `.damaged` when no pack that has it can be read.
    public func find(
        _ id: Digest, except avoided: Set<Digest> = []
    ) throws(LifeboatError) -> Place {
        if let next = neighbour(id), !avoided.contains(next.pack.name) {
            last = next
            return next
        }
        var avoided = avoided
        var fault: LifeboatError?
        while let location = try location(id, except: avoided) {
            do throws(LifeboatError) {
                let pack = try packs.pack(location.pack)
                let directory = pack.directory
                guard location.frame < directory.frames.count,
                    location.slot < Int(directory.frames[location.frame].slotCount),
                    directory.slots[directory.firstSlots[location.frame] + location.slot].id == id
                else {
                    throw LifeboatError(
                        .damaged, "the index names a place where the chunk is not",
                        subject: ObjectNames.pack(pack.name).path,
                        advice: "run: lifeboat index rebuild")
                }
                let place = Place(pack: pack, frame: location.frame, slot: location.slot)
                last = place
                return place
            } catch {
                guard error.code == .damaged else { throw error }
                fault = fault ?? error
                avoided.insert(location.pack)
            }
        }
        throw fault
            ?? LifeboatError(
                .damaged, "the chunk is in no pack that is known to be whole",
                subject: "chunk \(id.short)",
                advice: "run: lifeboat cache clean, then verify, then index rebuild")
    }

    private func neighbour(_ id: Digest) -> Place? {
        guard let last else { return nil }
        let directory = last.pack.directory
        let next = directory.firstSlots[last.frame] + last.slot + 1
        guard next < directory.slots.count, directory.slots[next].id == id else { return nil }
        var frame = last.frame
        while directory.firstSlots[frame + 1] <= next { frame += 1 }
        return Place(pack: last.pack, frame: frame, slot: next - directory.firstSlots[frame])
    }
}
