import LifeboatCore
import LifeboatSystem
import Testing

@testable import LifeboatStore

@Suite struct HTTPFailureTests {
    /// What one attempt comes to at a server that does what `handler` says.
    private func attempt(
        _ method: HTTPMethod = .get, body: [UInt8] = [], targetCount: Int? = nil, limit: Int = 1000,
        deadlines: HTTPDeadlines? = nil, _ handler: @escaping @Sendable (Exchange) -> Void
    ) throws -> HTTPClient.Attempt {
        let server = try TestServer(handler)
        defer { server.stop() }
        var options = quickOptions(attempts: 1)
        if let deadlines { options.deadlines = deadlines }
        let client = HTTPClient(options)
        var target = [UInt8](repeating: 0, count: targetCount ?? 0)
        return body.withUnsafeBytes { body in
            target.withUnsafeMutableBytes { target in
                client.attempt(
                    HTTPRequest(method, server.base), body: body.isEmpty ? [] : [body],
                    target: targetCount == nil ? nil : target, limit: limit)
            }
        }
    }

    private func failure(_ attempt: HTTPClient.Attempt) -> HTTPFailure? {
        if case .failure(let failure) = attempt.outcome { failure } else { nil }
    }

    @Test(
        arguments: [
            // Closed without a word, in the middle of the header, in the middle of the body.
            "", "HTTP/1.1 200 O", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1234",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n1234\r\n",
            "no HTTP at all\r\n\r\n",
        ], [HTTPMethod.get, .put, .delete])
    func `a reply that is cut is noticed`(reply: String, method: HTTPMethod) throws {
        let attempt = try attempt(method) { exchange in
            exchange.send(reply)
            exchange.close()
        }
        #expect(failure(attempt)?.kind == .cut)
        #expect(failure(attempt)?.mayHaveTakenEffect == (method != .get))
        #expect(failure(attempt)?.isTransient == true)
    }

    @Test func `a body that is cut is noticed`() throws {
        let attempt = try attempt(.put, body: [UInt8](repeating: 5, count: 8 << 20)) { exchange in
            _ = exchange.readBody(1000)
            exchange.close(hard: true)
        }
        #expect(failure(attempt)?.kind == .cut)
        #expect(failure(attempt)?.mayHaveTakenEffect == true)
    }

    @Test func `a server that answers before it has all is heard`() throws {
        let attempt = try attempt(.put, body: [UInt8](repeating: 5, count: 4 << 20)) { exchange in
            exchange.answer(403, "Connection: close\r\n", body: [1])
            _ = exchange.readBody()
            exchange.close()
        }
        guard case .success(let response) = attempt.outcome else {
            Issue.record("\(attempt)")
            return
        }
        #expect(response.status == 403)
    }

    @Test(arguments: ["", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1234"])
    func `silence is a stall`(reply: String) throws {
        let deadlines = HTTPDeadlines(connect: 10, stall: 0.5, total: 15)
        let attempt = try attempt(deadlines: deadlines) { exchange in
            exchange.send(reply)
            exchange.waitForEnd()
        }
        #expect(failure(attempt)?.kind == .stalled)
        #expect(attempt.isCongested)
    }

    @Test func `a body that nobody takes is a stall`() throws {
        let deadlines = HTTPDeadlines(connect: 10, stall: 1, total: 15)
        let done = Guarded(false)
        let attempt = try attempt(
            .put, body: [UInt8](repeating: 5, count: 16 << 20), deadlines: deadlines
        ) { exchange in
            while !done.withLock({ $0 }) { Threads.sleep(seconds: 0.05) }
            exchange.close(hard: true)
        }
        done.withLock { $0 = true }
        #expect(failure(attempt)?.kind == .stalled)
        #expect(failure(attempt)?.mayHaveTakenEffect == true)
    }

    @Test func `slow for ever ends at the deadline`() throws {
        let deadlines = HTTPDeadlines(connect: 10, stall: 15, total: 0.7)
        let done = Guarded(false)
        let attempt = try attempt(limit: 10000, deadlines: deadlines) { exchange in
            exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n")
            while !done.withLock({ $0 }) {
                exchange.send("1")
                Threads.sleep(seconds: 0.02)
            }
            exchange.close()
        }
        done.withLock { $0 = true }
        #expect(failure(attempt)?.kind == .deadline)
    }

    @Test func `slow is no stall while bytes move`() throws {
        let deadlines = HTTPDeadlines(connect: 10, stall: 1.2, total: 15)
        let attempt = try attempt(deadlines: deadlines) { exchange in
            exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n")
            for _ in 0..<15 {
                exchange.send("1")
                Threads.sleep(seconds: 0.15)
            }
        }
        #expect(failure(attempt) == nil)
    }

    @Test(arguments: [(4, 3, true), (4, 4, false), (4, 5, false), (0, 0, false), (1000, 0, true)])
    func `there is never more than room for it`(sent: Int, room: Int, isTooLarge: Bool) throws {
        let body = [UInt8](repeating: 1, count: sent)
        let toTarget = try attempt(targetCount: room, limit: 0) { $0.answer(200, body: body) }
        #expect(failure(toTarget)?.kind == (isTooLarge ? .tooLarge : nil))
        let toArray = try attempt(limit: room) { $0.answer(200, body: body) }
        #expect(failure(toArray)?.kind == (isTooLarge ? .tooLarge : nil))
        let refusal = try attempt(targetCount: 2000, limit: room) { $0.answer(404, body: body) }
        #expect(failure(refusal)?.kind == (isTooLarge ? .tooLarge : nil))
    }

    @Test func `headers without end are no reply`() throws {
        let attempt = try attempt { exchange in
            exchange.send("HTTP/1.1 200 OK\r\n")
            let line = "X: " + String(repeating: "y", count: 1000) + "\r\n"
            for _ in 0..<400 { exchange.send(line) }
            exchange.close()
        }
        #expect(failure(attempt)?.kind == .tooLarge || failure(attempt)?.kind == .cut)
    }

    @Test func `a lost reply makes what follows ambiguous`() throws {
        let server = try TestServer { exchange in
            _ = exchange.readBody()
            if exchange.number == 1 { exchange.close() } else { exchange.answer(412) }
        }
        defer { server.stop() }
        let result = try [UInt8]("body".utf8).withBytes { body throws(LifeboatError) in
            try HTTPClient(quickOptions()).perform(subject: "x", body: [body]) { _ in
                HTTPRequest(.put, server.base)
            }
        }
        #expect(result.response.status == 412)
        #expect(result.isAmbiguous)
    }

    /// libcurl sends a request again by itself when a connection that it kept proves closed.
    @Test(arguments: [HTTPMethod.put, .delete, .get])
    func `a request that libcurl repeats is ambiguous`(method: HTTPMethod) throws {
        let server = try TestServer { exchange in
            _ = exchange.readBody()
            if exchange.number == 2 { exchange.close() } else { exchange.answer(412) }
        }
        defer { server.stop() }
        let client = HTTPClient(quickOptions())
        let results = try (0..<2).map { _ in
            try client.perform(subject: "x") { _ in HTTPRequest(method, server.base) }.isAmbiguous
        }
        #expect(results == [false, method != .get])
        #expect(server.requests.count == 3)
    }

    @Test func `nobody there is certainly without effect`() throws {
        let server = try TestServer { _ in }
        server.stop()
        var options = quickOptions(attempts: 2)
        options.retries.seconds = 5
        let client = HTTPClient(options)
        let url = "http://user:secret@127.0.0.1:\(server.port)/path?X-Amz-Signature=hidden"
        let failure = failure(
            client.attempt(HTTPRequest(.put, url), body: [], target: nil, limit: 10))
        #expect(failure?.kind == .connect)
        #expect(failure?.mayHaveTakenEffect == false)
        do throws(LifeboatError) {
            _ = try client.perform(subject: "x") { _ in HTTPRequest(.put, url) }
            Issue.record("it is gone")
        } catch {
            #expect(error.code == .unavailable)
            for secret in ["user", "secret", "hidden", "Signature"] {
                #expect(!error.description.contains(secret), "\(error)")
            }
            #expect(error.description.contains("http://127.0.0.1:\(server.port)"))
        }
    }

    @Test(arguments: ["ftp://127.0.0.1/", "file:///etc/passwd", "http://", "http://a b/"])
    func `only web addresses are asked`(url: String) {
        let client = HTTPClient(quickOptions())
        let failure = failure(
            client.attempt(HTTPRequest(.get, url), body: [], target: nil, limit: 10))
        #expect(failure?.kind == .request)
    }

    @Test func `every failure has words of its own`() {
        let texts = HTTPFailure.Kind.allCases.map { kind in
            HTTPFailure(kind: kind, message: "", mayHaveTakenEffect: false)
                .error(subject: "x", place: "https://store").message
        }
        #expect(Set(texts).count == texts.count)
    }
}
