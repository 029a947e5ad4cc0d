internal import LifeboatCore
internal import LifeboatSystem

/// The token that all threads share.
///
/// - One thread asks for a new one while the others wait, and what came of it holds for all.
/// - A token is renewed a little before its end. As long as it is good, a renewal that fails harms
///   nobody: the next one is tried a little later.
final class SwiftSession: @unchecked Sendable {
    private let condition = Condition()
    private let now: @Sendable () -> Double
    private let obtain: @Sendable () throws(LifeboatError) -> SwiftGrant

    // All below is guarded by the condition.
    private var current: SwiftToken?
    private var isRenewing = false
    private var waiters = 0
    /// How many renewals have ended, and how the last one failed.
    private var renewalCount = 0
    private var failure: LifeboatError?
    /// No renewal before the end of a good token is tried earlier.
    private var nextTry = -Double.infinity

    /// After an early renewal failed.
    private static let pause = 10.0

    /// A session that asks `obtain` for tokens; `now` tells the monotonic seconds.
    init(
        now: @escaping @Sendable () -> Double = Clock.monotonicSeconds,
        obtain: @escaping @Sendable () throws(LifeboatError) -> SwiftGrant
    ) {
        self.now = now
        self.obtain = obtain
    }

    /// A token that should be good.
    func token() throws(LifeboatError) -> SwiftToken {
        try condition.withLock { () throws(LifeboatError) in try lockedToken() }
    }

    /// Another token than one that a server refused.
    func token(insteadOf refused: SwiftToken) throws(LifeboatError) -> SwiftToken {
        try condition.withLock { () throws(LifeboatError) in
            // Another thread may have brought a new one meanwhile.
            if current?.number == refused.number { current = nil }
            return try lockedToken()
        }
    }

    /// How many threads wait for a renewal.
    var waiterCount: Int { condition.withLock { waiters } }

    /// Seconds since a token was asked for.
    func age(of token: SwiftToken) -> Double { now() - token.start }

    private func lockedToken() throws(LifeboatError) -> SwiftToken {
        while true {
            let time = now()
            if let current {
                if time < current.renewal { return current }
                if time < current.end, isRenewing || time < nextTry { return current }
            }
            guard isRenewing else { return try renew(at: time) }
            let seen = renewalCount
            waiters += 1
            while isRenewing, renewalCount == seen { condition.wait() }
            waiters -= 1
            if current == nil, let failure { throw failure }
        }
    }

    /// Asks for a token, without the lock.
    private func renew(at time: Double) throws(LifeboatError) -> SwiftToken {
        isRenewing = true
        condition.unlock()
        let outcome = Self.outcome(obtain)
        condition.lock()
        isRenewing = false
        renewalCount += 1
        condition.broadcast()
        switch outcome {
        case .success(let grant):
            let token = SwiftToken(number: renewalCount, grant: grant, start: time)
            current = token
            failure = nil
            return token
        case .failure(let error):
            failure = error
            nextTry = now() + Self.pause
            if let current, now() < current.end { return current }
            current = nil
            throw error
        }
    }

    private static func outcome(
        _ obtain: () throws(LifeboatError) -> SwiftGrant
    ) -> Result<SwiftGrant, LifeboatError> {
        do throws(LifeboatError) { return .success(try obtain()) } catch { return .failure(error) }
    }
}
