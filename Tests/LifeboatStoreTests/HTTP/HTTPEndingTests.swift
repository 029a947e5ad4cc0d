import LifeboatCore
import LifeboatTesting
import Testing

@testable import LifeboatStore

@Suite struct HTTPEndingTests {
    /// What a request comes to at a server that does what `handler` says, and how often it came.
    private func outcome(
        _ cancellation: Cancellation, _ handler: @escaping @Sendable (Exchange) -> Void
    ) throws -> (code: LifeboatError.Code?, status: Int?, requests: Int) {
        let server = try TestServer(handler)
        defer { server.stop() }
        var options = quickOptions()
        options.ending = Ending(cancellation)
        var status: Int?
        let code = code { () throws(LifeboatError) in
            status = try HTTPClient(options).perform(subject: "x") { _ in
                HTTPRequest(.get, server.base)
            }.response.status
        }
        return (code, status, server.requests.count)
    }

    @Test func `silence ends soon when the process does`() throws {
        let cancellation = Cancellation()
        let end = try outcome(cancellation) { exchange in
            cancellation.cancel()
            exchange.waitForEnd()
        }
        #expect(end.code == .cancelled)
        #expect(end.requests == 1)
    }

    @Test func `nothing is tried again when the process ends`() throws {
        let cancellation = Cancellation()
        let refused = try outcome(cancellation) { exchange in
            cancellation.cancel()
            exchange.answer(503)
        }
        #expect(refused.status == 503)
        #expect(refused.requests == 1)
    }

    @Test func `what is left to do is done`() throws {
        let cancellation = Cancellation()
        cancellation.cancel()
        #expect(try outcome(cancellation) { $0.answer(200) }.status == 200)
    }

    @Test func `all is over some seconds after the wish was noticed`() {
        let cancellation = Cancellation()
        let ending = Ending(cancellation)
        #expect(ending.moment(now: 1) == nil)
        cancellation.cancel()
        #expect(ending.moment(now: 5) == 5 + Ending.seconds)
        #expect(ending.moment(now: 9) == 5 + Ending.seconds)
        #expect(Ending().moment(now: 9) == nil)
    }

    @Test func `deadlines become shorter, never longer`() {
        let deadlines = HTTPDeadlines(stall: 30, total: 60, slowestRate: 10)
        var watch = DeadlineWatch(deadlines, byteCount: 0, now: 0)
        watch.hurry(until: 20)
        #expect(watch.check([1, 0, 0, 0], now: 10) == nil)
        #expect(watch.check([1, 0, 0, 0], now: 10 + Ending.stall) == .stalled)
        #expect(watch.check([2, 0, 0, 0], now: 19) == nil)
        watch.hurry(until: 100)
        #expect(watch.check([3, 0, 0, 0], now: 20) == .deadline)
    }

    @Test func `deadlines come from the environment`() throws {
        let set = try HTTPOptions(
            StoreOptions(environment: [
                "LIFEBOAT_CONNECT_TIMEOUT": "3", "LIFEBOAT_STALL_TIMEOUT": "4",
                "LIFEBOAT_REQUEST_TIMEOUT": "5", "LIFEBOAT_RETRIES": "6",
            ]))
        #expect(set.deadlines.connect == 3)
        #expect(set.deadlines.stall == 4)
        #expect(set.deadlines.total == 5)
        #expect(set.retries.attempts == 6)
        let usual = try HTTPOptions(StoreOptions(environment: ["LIFEBOAT_RETRIES": ""]))
        #expect(usual.deadlines.stall == HTTPDeadlines().stall)
        #expect(usual.retries.attempts == RetryPolicy().attempts)
    }

    @Test(
        arguments: [
            "LIFEBOAT_CONNECT_TIMEOUT", "LIFEBOAT_STALL_TIMEOUT", "LIFEBOAT_REQUEST_TIMEOUT",
            "LIFEBOAT_RETRIES",
        ], ["0", "-1", "1.5", "ten", "1e3", "100000000000000000000", "86401"])
    func `other values are a mistake`(name: String, value: String) throws {
        let error = try #require(throws: LifeboatError.self) {
            try HTTPOptions(StoreOptions(environment: [name: value]))
        }
        #expect(error.code == .usage)
        #expect(error.description.contains(name))
    }
}
