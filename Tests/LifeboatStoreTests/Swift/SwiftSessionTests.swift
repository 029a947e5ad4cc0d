import LifeboatCore
import LifeboatSystem
import Testing

@testable import LifeboatStore

/// An identity service that counts, under a clock that the test sets.
private final class Service: Sendable {
    struct State: Sendable {
        var time = 0.0
        var count = 0
        var lifetime: Double? = 100
        var isDown = false
    }

    let state = Guarded(State())
    /// What each grant waits for.
    let gate: @Sendable () -> Void

    init(gate: @escaping @Sendable () -> Void = {}) { self.gate = gate }

    func session() -> SwiftSession {
        SwiftSession(
            now: { self.state.withLock { $0.time } },
            obtain: { () throws(LifeboatError) in
                self.gate()
                return try self.state.withLock { state throws(LifeboatError) in
                    state.count += 1
                    guard !state.isDown else { throw LifeboatError(.unavailable, "down") }
                    return SwiftGrant(
                        token: SecretText("t\(state.count)"), storageURL: "http://s/v1/A",
                        lifetime: state.lifetime)
                }
            })
    }

    var count: Int { state.withLock { $0.count } }
    func set(_ change: (inout State) -> Void) { state.withLock { change(&$0) } }
}

@Suite struct SwiftSessionTests {
    @Test func `a token is kept until a little before its end`() throws {
        let service = Service()
        let session = service.session()
        for (time, expected) in [(0.0, "t1"), (74, "t1"), (75, "t2"), (149, "t2"), (150, "t3")] {
            service.set { $0.time = time }
            #expect(try session.token().grant.token.text == expected)
        }
    }

    @Test func `long tokens are renewed two minutes before their end`() throws {
        let service = Service()
        service.set { $0.lifetime = 86_400 }
        let session = service.session()
        for (time, expected) in [(0.0, 1), (86_279, 1), (86_281, 2)] {
            service.set { $0.time = time }
            _ = try session.token()
            #expect(service.count == expected)
        }
    }

    @Test func `a token without an end is kept`() throws {
        let service = Service()
        service.set { $0.lifetime = nil }
        let session = service.session()
        _ = try session.token()
        service.set { $0.time = 1e9 }
        _ = try session.token()
        #expect(service.count == 1)
    }

    @Test func `a renewal that fails early harms nobody`() throws {
        let service = Service()
        let session = service.session()
        _ = try session.token()
        service.set {
            $0.time = 80
            $0.isDown = true
        }
        #expect(try session.token().grant.token.text == "t1")
        #expect(service.count == 2)
        // The next try comes later.
        service.set { $0.time = 89 }
        #expect(try session.token().grant.token.text == "t1")
        #expect(service.count == 2)
        service.set { $0.time = 91 }
        #expect(try session.token().grant.token.text == "t1")
        #expect(service.count == 3)
        // Past its end there is none.
        service.set { $0.time = 101 }
        #expect(code { () throws(LifeboatError) in _ = try session.token() } == .unavailable)
        service.set { $0.isDown = false }
        #expect(try session.token().grant.token.text == "t5")
    }

    @Test func `all threads share one new token instead of a refused one`() throws {
        let service = Service()
        let session = service.session()
        let refused = try session.token()
        let numbers = Guarded<[Int]>([])
        Threads.run(count: 8, name: "session") { _ in
            let token = try? session.token(insteadOf: refused)
            numbers.withLock { $0.append(token?.number ?? 0) }
        }
        #expect(service.count == 2)
        #expect(numbers.withLock { Set($0) } == [2])
    }

    @Test func `who waits for a renewal shares its failure`() throws {
        let release = Condition()
        let isOpen = Guarded(false)
        let service = Service {
            release.withLock { while !isOpen.withLock({ $0 }) { release.wait() } }
        }
        service.set { $0.isDown = true }
        let session = service.session()
        let codes = Guarded<[LifeboatError.Code?]>([])
        let threads = (0..<6).map { _ in
            Threads.start(name: "session") {
                let result = code { () throws(LifeboatError) in _ = try session.token() }
                codes.withLock { $0.append(result) }
            }
        }
        while session.waiterCount < 5 { Threads.sleep(seconds: 0.001) }
        release.withLock {
            isOpen.withLock { $0 = true }
            release.broadcast()
        }
        for thread in threads { thread.join() }
        #expect(codes.withLock { $0 } == Array(repeating: .unavailable, count: 6))
        #expect(service.count == 1)
    }
}
