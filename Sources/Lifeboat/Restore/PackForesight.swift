import LifeboatArchive
import LifeboatCore
import LifeboatSystem

/// Opens the packs that a restore is about to need, on a thread of its own: behind a network that
/// takes several answers, for which nobody else shall wait.
///
/// Does nothing where the store is no network away. What it cannot read is told by who needs it.
final class PackForesight: @unchecked Sendable {
    /// Chunks that are looked at together, and how many such spans ahead of the restore.
    private static let spanChunks: UInt64 = 4096
    private static let spansAhead: UInt64 = 5

    private let restore: VolumeRestore
    private let guardian = Condition()
    private var position: UInt64
    private var isOver = false
    private var thread: Threads.Handle?

    /// Begins to look ahead of chunk `start`; `end` must be called.
    init(_ restore: VolumeRestore, from start: UInt64) {
        self.restore = restore
        position = start
        guard restore.packs.isRemote else { return }
        thread = Threads.start(name: "foresight") { [self] in look(from: start) }
    }

    /// Says how far the restore is.
    func reached(_ chunk: UInt64) {
        guardian.withLock {
            position = chunk
            guardian.broadcast()
        }
    }

    func end() {
        guardian.withLock {
            isOver = true
            guardian.broadcast()
        }
        thread?.join()
        thread = nil
    }

    private func look(from start: UInt64) {
        let planner = FramePlanner(Locator(index: restore.index, packs: restore.packs))
        var next = start
        while next < restore.chunkCount {
            let goesOn = guardian.withLock {
                while !isOver, next > position + Self.spansAhead * Self.spanChunks {
                    guardian.wait()
                }
                return !isOver
            }
            guard goesOn, !restore.cancellation.isCancelled else { return }
            let span = next..<min(restore.chunkCount, next + Self.spanChunks)
            let ids = (try? restore.ids(span) { _, _ in }) ?? []
            let wanted = ids.enumerated().filter { !$0.element.isZero }
                .map { (chunk: next + UInt64($0.offset), id: $0.element) }
            try? planner.openAhead(wanted)
            next = span.upperBound
        }
    }
}
