/// How long each part of an attempt may take, in seconds.
struct HTTPDeadlines: Sendable {
    /// Looking up the name, connecting and the TLS handshake.
    var connect = 15.0
    /// Without a byte either way.
    var stall = 30.0
    /// All of it, besides what the bytes take.
    var total = 60.0
    /// The bytes in a second that a usable line has at least.
    var slowestRate = 65536.0

    /// What so many bytes may take on the slowest usable line.
    func allowance(_ byteCount: Int) -> Double { Double(byteCount) / slowestRate }
}

/// Watches one attempt; moments are seconds by some clock.
struct DeadlineWatch {
    private var stall: Double
    private var end: Double
    private var lastMove: Double
    private var position: SIMD4<Int> = .zero

    init(_ deadlines: HTTPDeadlines, byteCount: Int, now: Double) {
        stall = deadlines.stall
        end = now + deadlines.total + deadlines.allowance(byteCount)
        lastMove = now
    }

    /// The wait was our own: a traffic limit is no fault of the server.
    mutating func waited(_ seconds: Double) {
        end += seconds
        lastMove += seconds
    }

    /// The process is ending: all must be over at `moment`, and nothing may stand still for long.
    mutating func hurry(until moment: Double) {
        end = min(end, moment)
        stall = min(stall, Ending.stall)
    }

    /// What has passed, given counters that stand still only if nothing moves.
    mutating func check(_ counters: SIMD4<Int>, now: Double) -> HTTPFailure.Kind? {
        if counters != position {
            position = counters
            lastMove = now
        }
        if now >= end { return .deadline }
        return now - lastMove >= stall ? .stalled : nil
    }
}
