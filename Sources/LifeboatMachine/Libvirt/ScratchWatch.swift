internal import Glibc
internal import LifeboatCore
internal import LifeboatSystem

/// Watches how much a backup's scratch files take, on a thread of its own.
///
/// When a scratch file cannot grow, QEMU fails the guest's write, and the machine is paused. So the
/// backup has to end before; where the guest was faster, it has to end, and the machine is resumed.
final class ScratchWatch: Sendable {
    private let condition = Condition()
    private let hasEnded = Guarded(false)
    private let thread: Threads.Handle

    /// The machine itself is asked only after so many seconds.
    private static let stuckSeconds = 1.0

    /// Calls `onFull` once, with what to tell, when `used` tells more than `limit` or `left` less
    /// than `reserve`, both asked after so many seconds each, or `isStuck` says that the machine waits for room.
    init(
        seconds: Double, directory: String, limit: UInt64, reserve: UInt64,
        used: @escaping @Sendable () -> UInt64, left: @escaping @Sendable () -> UInt64,
        isStuck: @escaping @Sendable () -> Bool,
        onFull: @escaping @Sendable (String) -> Void
    ) {
        let condition = condition
        let hasEnded = hasEnded
        thread = Threads.start(name: "scratch") {
            let rounds = max(1, Int(Self.stuckSeconds / seconds))
            var round = 0
            while true {
                round += 1
                let isOver = condition.withLock {
                    if !hasEnded.withLock({ $0 }) { _ = condition.wait(seconds: seconds) }
                    return hasEnded.withLock { $0 }
                }
                if isOver { return }
                let used = used()
                let left = left()
                if used > limit {
                    onFull("the scratch files take \(used) bytes of the \(limit) allowed")
                    return
                }
                if round % rounds == 0, isStuck() {
                    onFull("a write of the guest failed meanwhile")
                    return
                }
                if left < reserve, used > 0 {
                    onFull("the file system of \(directory) has only \(left) bytes left")
                    return
                }
            }
        }
    }

    func end() {
        condition.withLock {
            hasEnded.withLock { $0 = true }
            condition.broadcast()
        }
        thread.join()
    }

    /// Bytes that a file takes; 0 where there is none.
    static func allocated(_ path: String) -> UInt64 {
        var status = stat()
        guard stat(path, &status) == 0 else { return 0 }
        return UInt64(max(0, status.st_blocks)) * 512
    }
}
