public import LifeboatCore
public import LifeboatStore
internal import LifeboatSystem

/// A store that fails as it is told, in front of another one.
public final class FaultStore: ObjectStore {
    /// The calls that can fail.
    public enum Call: String, Sendable, Hashable, CaseIterable {
        case put, get, read, size, list, delete
    }

    /// What goes wrong.
    public enum Fault: Sendable, Hashable {
        /// Nothing happens but the error.
        case fail(LifeboatError.Code)
        /// The call has its effect, and the caller hears an error all the same.
        case lostReply(LifeboatError.Code)
        /// A put stores only the first so many bytes, and reports an error: what a store without
        /// atomic puts leaves behind. Other calls just fail.
        case torn(bytes: Int)
    }

    /// Which calls fail, and how.
    public enum Plan: Sendable {
        /// The n-th call of a kind, from 1, fails; other calls do not.
        case scripted([Call: [Int: Fault]])
        /// From the n-th call of any kind on, all fail: the store has gone.
        case gone(after: Int, LifeboatError.Code)
        /// Each call fails with this probability, drawn from the seed.
        case seeded(UInt64, probability: Double, [Fault])
    }

    private struct State {
        var plan: Plan
        var generator = SeededGenerator(seed: 0)
        var counts: [Call: Int] = [:]
        var total = 0
        var faults = 0
    }

    private let inner: any ObjectStore
    private let state: Guarded<State>

    public init(_ inner: any ObjectStore, plan: Plan = .scripted([:])) {
        self.inner = inner
        state = Guarded(Self.start(plan))
    }

    /// Begins a new plan, counting from 1 again.
    public func follow(_ plan: Plan) { state.withLock { $0 = Self.start(plan) } }

    /// How many calls there were under this plan; of one kind, or of all.
    public func count(_ call: Call? = nil) -> Int {
        state.withLock { state in call.map { state.counts[$0] ?? 0 } ?? state.total }
    }

    /// How many calls failed under this plan.
    public var faultCount: Int { state.withLock { $0.faults } }

    public var location: String { inner.location }
    public var capabilities: StoreCapabilities { inner.capabilities }

    public func put(
        _ name: ObjectName, _ pieces: [UnsafeRawBufferPointer]
    ) throws(LifeboatError) {
        let fault = next(.put)
        if case .torn(let count) = fault {
            try inner.put(name, bytes: Array(pieces.flatMap { [UInt8]($0) }.prefix(count)))
        }
        try meet(fault, name.path)
        try inner.put(name, pieces)
        try meetAfterwards(fault, name.path)
    }

    public func get(_ name: ObjectName, limit: Int) throws(LifeboatError) -> [UInt8] {
        try meet(next(.get), name.path, isRead: true)
        return try inner.get(name, limit: limit)
    }

    public func read(
        _ name: ObjectName, at offset: UInt64, into target: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) -> Int {
        try meet(next(.read), name.path, isRead: true)
        return try inner.read(name, at: offset, into: target)
    }

    public func size(_ name: ObjectName) throws(LifeboatError) -> UInt64? {
        try meet(next(.size), name.path, isRead: true)
        return try inner.size(name)
    }

    public func list(
        _ prefix: String, _ body: (ObjectName, UInt64) throws(LifeboatError) -> Void
    ) throws(LifeboatError) {
        try meet(next(.list), prefix, isRead: true)
        try inner.list(prefix, body)
    }

    public func delete(_ name: ObjectName) throws(LifeboatError) {
        let fault = next(.delete)
        try meet(fault, name.path)
        try inner.delete(name)
        try meetAfterwards(fault, name.path)
    }

    private static func start(_ plan: Plan) -> State {
        var state = State(plan: plan)
        if case .seeded(let seed, _, _) = plan { state.generator = SeededGenerator(seed: seed) }
        return state
    }

    private func next(_ call: Call) -> Fault? {
        state.withLock { state in
            state.total += 1
            state.counts[call, default: 0] += 1
            let fault: Fault?
            switch state.plan {
            case .scripted(let script): fault = script[call]?[state.counts[call] ?? 0]
            case .gone(let calls, let code): fault = state.total > calls ? .fail(code) : nil
            case .seeded(_, let probability, let faults):
                let isFaulty = Double.random(in: 0..<1, using: &state.generator) < probability
                fault = isFaulty ? faults.randomElement(using: &state.generator) : nil
            }
            if fault != nil { state.faults += 1 }
            return fault
        }
    }

    private func meet(
        _ fault: Fault?, _ subject: String, isRead: Bool = false
    ) throws(LifeboatError) {
        switch fault {
        case nil: return
        case .lostReply(let code): if isRead { throw error(code, subject) }
        case .fail(let code): throw error(code, subject)
        case .torn: throw error(.unavailable, subject)
        }
    }

    private func meetAfterwards(_ fault: Fault?, _ subject: String) throws(LifeboatError) {
        if case .lostReply(let code) = fault { throw error(code, subject) }
    }

    private func error(_ code: LifeboatError.Code, _ subject: String) -> LifeboatError {
        LifeboatError(code, "a planned fault", subject: subject)
    }
}
