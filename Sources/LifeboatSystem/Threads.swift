internal import CLinux
internal import Glibc

/// Dedicated threads for work that blocks or computes.
public enum Threads {
    private static let stackBytes = 8 << 20

    /// How many processors this process may use: its affinity, and the quota of its control group.
    public static var processorCount: Int {
        let available = max(1, Int(lifeboat_processor_count()))
        guard let quota = ProcessorQuota.current() else { return available }
        return max(1, min(available, quota))
    }

    /// Runs `body` with 0 to `count` - 1 on as many new threads, and returns when all have ended.
    public static func run(
        count: Int, name: String, _ body: @escaping @Sendable (Int) -> Void
    ) {
        let handles = (0..<count).map { index in start(name: name) { body(index) } }
        for handle in handles { handle.join() }
    }

    /// Waits so many seconds.
    public static func sleep(seconds: Double) {
        let end = Clock.monotonicSeconds() + seconds
        while true {
            let left = end - Clock.monotonicSeconds()
            guard left > 0 else { return }
            let part = min(left, 3600)
            var span = timespec(tv_sec: Int(part), tv_nsec: 0)
            span.tv_nsec = Int((part - Double(span.tv_sec)) * 1e9)
            // A signal ends it early, and then the loop goes on.
            nanosleep(&span, nil)
        }
    }

    /// Starts a thread.
    public static func start(name: String, _ body: @escaping @Sendable () -> Void) -> Handle {
        let handle = Handle()
        let work = Work(name: name, handle: handle, body: body)
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setstacksize(&attributes, stackBytes)
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        var thread = pthread_t()
        // The new thread takes over this reference.
        let passed = Unmanaged.passRetained(work).toOpaque()
        let result = pthread_create(
            &thread, &attributes,
            { passed in
                guard let passed else { return nil }
                Unmanaged<Work>.fromOpaque(passed).takeRetainedValue().run()
                return nil
            }, passed)
        precondition(result == 0, "the system gives no thread for \(name)")
        return handle
    }

    /// A running thread.
    public final class Handle: Sendable {
        private let condition = Condition()
        private let state = State()

        private final class State: @unchecked Sendable { var hasEnded = false }

        fileprivate init() {}

        /// Waits until the thread's work has ended.
        ///
        /// May be called often and from many threads.
        public func join() {
            condition.withLock {
                while !state.hasEnded { condition.wait() }
            }
        }

        fileprivate func end() {
            condition.withLock {
                state.hasEnded = true
                condition.broadcast()
            }
        }
    }

    private final class Work: @unchecked Sendable {
        private let name: String
        private let handle: Handle
        private var body: (@Sendable () -> Void)?

        init(name: String, handle: Handle, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.handle = handle
            self.body = body
        }

        func run() {
            lifeboat_name_thread(name)
            body?()
            // Who waits for the end may count on what the work held: files, locks.
            body = nil
            handle.end()
        }
    }
}
