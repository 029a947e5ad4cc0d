/// How many requests may be in flight: in the beginning twice as many, later one more, while that
/// brings more through; half of them when the server has too many.
struct ParallelLimit: Sendable {
    struct Bounds: Sendable {
        var minimum = 1
        var initial = 8
        var maximum = 32
    }

    /// What a request without any bytes counts: small objects are work, too.
    private static let requestWork = 16384.0
    /// The shortest time to measure throughput over, in seconds.
    private static let windowSeconds = 1.0
    /// The same in the beginning: a short transfer shall not be over before the limit has grown.
    private static let firstWindowSeconds = 0.1
    /// Less than this is chance.
    private static let gain = 1.05
    /// So many windows without growth, and it is tried once more.
    private static let patience = 8

    private(set) var current: Int
    private let bounds: Bounds
    private var windowBegin: Double?
    private var windowWork = 0.0
    private var windowRequests = 0
    private var wasFull = false
    private var bestRate = 0.0
    private var idleWindows = 0
    private var lastCut = -Double.infinity
    /// Whether the limit has grown whenever that was tried.
    private var isStarting = true

    init(_ bounds: Bounds = Bounds()) {
        self.bounds = bounds
        current = min(max(bounds.initial, bounds.minimum, 1), max(bounds.maximum, 1))
    }

    /// A request begins; `inFlight` counts it.
    mutating func begun(inFlight: Int, now: Double) {
        if windowBegin == nil { windowBegin = now }
        if inFlight >= current { wasFull = true }
    }

    /// A request that began at `begin` has ended.
    mutating func ended(byteCount: Int, isCongested: Bool, begin: Double, now: Double) {
        if isCongested {
            cut(begin: begin, now: now)
            return
        }
        windowWork += Double(byteCount) + Self.requestWork
        windowRequests += 1
        let enough = isStarting ? Self.firstWindowSeconds : Self.windowSeconds
        guard let first = windowBegin, now - first >= enough, windowRequests >= current
        else { return }
        close(rate: windowWork / (now - first))
    }

    /// What began before the last cut says nothing of the limit since.
    private mutating func cut(begin: Double, now: Double) {
        guard begin >= lastCut else { return }
        current = max(bounds.minimum, 1, current / 2)
        isStarting = false
        lastCut = now
        bestRate = 0
        // What was good may be good again, but not at once.
        idleWindows = 0
        reset()
    }

    private mutating func close(rate: Double) {
        // Fewer were wanted than are allowed: nothing is learnt of the limit.
        if wasFull, isStarting {
            let most = max(bounds.maximum, 1)
            if rate >= bestRate * Self.gain {
                bestRate = rate
                current = min(most, 2 * current)
                isStarting = current < most
            } else {
                // The last step brought nothing.
                current = max(bounds.minimum, 1, bounds.initial, current / 2)
                isStarting = false
            }
        } else if wasFull {
            idleWindows += 1
            if rate >= bestRate * Self.gain || idleWindows >= Self.patience {
                bestRate = rate
                idleWindows = 0
                current = min(max(bounds.maximum, 1), current + 1)
            }
        }
        reset()
    }

    private mutating func reset() {
        windowBegin = nil
        windowWork = 0
        windowRequests = 0
        wasFull = false
    }
}
