import LifeboatSystem

/// Threads that fetch what will be wanted soon, while others wait for what is wanted now.
///
/// They begin when there is something to do. Who asks never waits: what does not fit is left out,
/// for it is fetched anyway when it is read.
final class ReadHelpers: Sendable {
    private struct State {
        var urgent: [@Sendable () -> Void] = []
        var ahead: [@Sendable () -> Void] = []
        var running = 0
        var idle = 0
        var isClosed = false
    }

    private static let limit = 64

    private let count: Int
    private let condition = Condition()
    private let state = Guarded(State())

    init(count: Int) { self.count = count }

    /// Does `work` soon; where `isUrgent`, before what is only expected.
    func ask(isUrgent: Bool, _ work: @escaping @Sendable () -> Void) {
        let needsThread = state.withLock { state -> Bool in
            guard !state.isClosed, (isUrgent ? state.urgent : state.ahead).count < Self.limit
            else { return false }
            if isUrgent { state.urgent.append(work) } else { state.ahead.append(work) }
            guard state.idle < state.urgent.count + state.ahead.count, state.running < count
            else { return false }
            state.running += 1
            return true
        }
        if needsThread { _ = Threads.start(name: "serve") { [weak self] in self?.run() } }
        condition.withLock { condition.signal() }
    }

    private func run() {
        while true {
            let work = state.withLock { state -> (@Sendable () -> Void)? in
                guard !state.isClosed else { return nil }
                if !state.urgent.isEmpty { return state.urgent.removeFirst() }
                if !state.ahead.isEmpty { return state.ahead.removeFirst() }
                return nil
            }
            if let work {
                work()
                continue
            }
            // A thread that has had nothing to do for a while ends; it is soon started again.
            let goesOn = condition.withLock { () -> Bool in
                state.withLock { $0.idle += 1 }
                defer { state.withLock { $0.idle -= 1 } }
                while state.withLock({ $0.urgent.isEmpty && $0.ahead.isEmpty && !$0.isClosed }) {
                    if !condition.wait(seconds: 5) { break }
                }
                return state.withLock { state in
                    guard !state.isClosed else { return false }
                    return !(state.urgent.isEmpty && state.ahead.isEmpty)
                }
            }
            if goesOn { continue }
            let isLast = state.withLock { state -> Bool in
                guard state.isClosed || state.urgent.isEmpty && state.ahead.isEmpty else {
                    return false
                }
                state.running -= 1
                return true
            }
            if isLast { return }
        }
    }

    /// Lets the threads end; what is not begun is dropped.
    func close() {
        state.withLock { state in
            state.isClosed = true
            state.urgent = []
            state.ahead = []
        }
        condition.withLock { condition.broadcast() }
    }
}
