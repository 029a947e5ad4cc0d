internal import Glibc
internal import LifeboatCore
internal import LifeboatSystem

/// Watches how much a backup's scratch files take, on a thread of its own.
///
/// QEMU fails the guest's writes when a scratch file cannot grow, so the backup has to end before.
final class ScratchWatch: Sendable {
    private let condition = Condition()
    private let hasEnded = Guarded(false)
    private let thread: Threads.Handle

    private static let seconds = 0.2

    /// Calls `onFull` once, with what to tell, when the files take more than `limit` or their file
    /// system has less than `reserve` left.
    init(
        files: [String], directory: String, limit: UInt64, reserve: UInt64,
        onFull: @escaping @Sendable (String) -> Void
    ) {
        let condition = condition
        let hasEnded = hasEnded
        thread = Threads.start(name: "scratch") {
            while true {
                let isOver = condition.withLock {
                    if !hasEnded.withLock({ $0 }) { _ = condition.wait(seconds: Self.seconds) }
                    return hasEnded.withLock { $0 }
                }
                if isOver { return }
                let used = files.reduce(0) { $0 + Self.allocated($1) }
                let left = Self.free(directory) ?? .max
                if used > limit {
                    onFull("the scratch files take \(used) bytes of the \(limit) allowed")
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

    /// Bytes that a file system has left for us.
    static func free(_ path: String) -> UInt64? {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { return nil }
        return UInt64(status.f_bavail) * UInt64(status.f_frsize)
    }
}
