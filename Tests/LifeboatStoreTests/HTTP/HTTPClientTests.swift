import LifeboatCore
import LifeboatSystem
import LifeboatTesting
import Testing

@testable import LifeboatStore

/// Options under which a failing test ends soon.
func quickOptions(attempts: Int = 4) -> HTTPOptions {
    var options = HTTPOptions()
    options.deadlines = HTTPDeadlines(connect: 10, stall: 15, total: 20)
    options.retries = RetryPolicy(attempts: attempts, base: 0.01, cap: 0.05, retryAfterCap: 0.05)
    return options
}

@Suite struct HTTPClientTests {
    @Test(arguments: [
        (HTTPMethod.get, "GET", false), (.head, "HEAD", false), (.delete, "DELETE", false),
        (.put, "PUT", true), (.post, "POST", true),
    ]) func `a request arrives as it was meant`(
        method: HTTPMethod, word: String, sendsBody: Bool
    ) throws {
        let bodies = Guarded<[[UInt8]]>([])
        let server = try TestServer { exchange in
            let body = exchange.readBody()
            bodies.withLock { $0.append(body) }
            exchange.answer(200, "X-Case: one\r\nx-case:  two \r\n", body: [1, 2, 3])
        }
        defer { server.stop() }
        let first = Array("first ".utf8), second = Array("second".utf8)
        let result = try first.withBytes { first throws(LifeboatError) in
            try second.withBytes { second throws(LifeboatError) in
                try HTTPClient(quickOptions()).perform(
                    subject: "x",
                    body: sendsBody ? [first, .init(start: nil, count: 0), second] : []
                ) { _ in
                    HTTPRequest(
                        method, server.base + "/a/../b%2Fc?d=%20e",
                        headers: [("X-One", "1"), ("X-Empty", "")])
                }
            }
        }
        #expect(result.response.status == 200)
        #expect(!result.isAmbiguous)
        #expect(result.response.body == (method == .head ? [] : [1, 2, 3]))
        #expect(result.response.header("X-CASE") == "two")
        #expect(result.response.header("X-None") == nil)
        let head = try #require(server.requests.first)
        #expect(head.line == "\(word) /a/../b%2Fc?d=%20e HTTP/1.1")
        #expect(head.headers["x-one"] == "1")
        #expect(head.headers["x-empty"] == "")
        #expect(head.headers["host"] == "127.0.0.1:\(server.port)")
        #expect(head.headers["content-length"] == (sendsBody ? "12" : nil))
        #expect(head.headers["expect"] == nil)
        #expect(head.headers["transfer-encoding"] == nil)
        #expect(head.headers["content-type"] == nil)
        #expect(bodies.withLock { $0 } == [Array((sendsBody ? "first second" : "").utf8)])
    }

    @Test func `an empty body has a length, too`() throws {
        let server = try TestServer { $0.answer(201) }
        defer { server.stop() }
        let result = try HTTPClient(quickOptions()).perform(subject: "x") { _ in
            HTTPRequest(.put, server.base)
        }
        #expect(result.response.status == 201)
        #expect(server.requests.first?.headers["content-length"] == "0")
    }

    @Test func `a large body goes both ways over one connection`() throws {
        let server = try TestServer { $0.answer(200, body: $0.readBody()) }
        defer { server.stop() }
        var generator = SeededGenerator(seed: 1)
        let pieces = [700_001, 1, 500_000].map { generator.bytes($0) }
        let all = Array(pieces.joined())
        let client = HTTPClient(quickOptions())
        for _ in 0..<3 {
            var target = [UInt8](repeating: 0, count: all.count + 5)
            let result = try target.withMutableBytes { target throws(LifeboatError) in
                try all.withBytes { all throws(LifeboatError) in
                    let parts = [all[..<700_001], all[700_001..<700_002], all[700_002...]]
                    return try client.perform(
                        subject: "x", body: parts.map { UnsafeRawBufferPointer(rebasing: $0) },
                        target: target
                    ) { _ in HTTPRequest(.put, server.base) }
                }
            }
            #expect(result.response.receivedCount == all.count)
            #expect(result.response.body == [])
            #expect(Array(target.prefix(all.count)) == all)
        }
        #expect(server.connectionCount == 1)
    }

    @Test func `redirections and refusals are answers`() throws {
        let statuses = [301, 304, 307, 400, 401, 403, 404, 409, 412, 416, 501]
        for status in statuses {
            let server = try TestServer { $0.answer(status, "Location: /else\r\n", body: [7]) }
            defer { server.stop() }
            var target: [UInt8] = [0]
            let result = try target.withMutableBytes { target throws(LifeboatError) in
                try HTTPClient(quickOptions()).perform(subject: "x", target: target) { _ in
                    HTTPRequest(.get, server.base)
                }
            }
            #expect(result.response.status == status)
            #expect(result.response.body == (status == 304 ? [] : [7]))
            #expect(target == [0])
            #expect(server.requests.count == 1)
        }
    }

    @Test(arguments: [408, 429, 500, 502, 503, 504], ["", "Retry-After: 1\r\n"])
    func `what may pass is tried again`(status: Int, header: String) throws {
        let bodies = Guarded<[[UInt8]]>([])
        let server = try TestServer { exchange in
            let body = exchange.readBody()
            bodies.withLock { $0.append(body) }
            exchange.answer(exchange.number < 3 ? status : 412, header)
        }
        defer { server.stop() }
        let attempts = Guarded<[Int]>([])
        let result = try [UInt8]("body".utf8).withBytes { body throws(LifeboatError) in
            try HTTPClient(quickOptions()).perform(subject: "x", body: [body]) { attempt in
                attempts.withLock { $0.append(attempt) }
                return HTTPRequest(.put, server.base)
            }
        }
        #expect(result.response.status == 412)
        #expect(result.isAmbiguous == (status >= 500))
        #expect(attempts.withLock { $0 } == [1, 2, 3])
        #expect(bodies.withLock { $0 } == Array(repeating: Array("body".utf8), count: 3))
    }

    @Test func `the last answer counts when all attempts are used up`() throws {
        let server = try TestServer { $0.answer(503, body: [9]) }
        defer { server.stop() }
        let result = try HTTPClient(quickOptions(attempts: 3)).perform(subject: "x") { _ in
            HTTPRequest(.delete, server.base)
        }
        #expect(result.response.status == 503)
        #expect(result.response.body == [9])
        #expect(server.requests.count == 3)
    }

    @Test func `an error of the preparation ends it`() throws {
        let client = HTTPClient(quickOptions())
        #expect(throws: LifeboatError(.wrongKey, "")) {
            try client.perform(subject: "x") { _ throws(LifeboatError) in
                throw LifeboatError(.wrongKey, "no")
            }
        }
    }

    @Test(arguments: ["a\r\nb", "a\nb"]) func `a header cannot break out`(value: String) throws {
        let server = try TestServer { $0.answer(200) }
        defer { server.stop() }
        #expect(
            code { () throws(LifeboatError) in
                _ = try HTTPClient(quickOptions()).perform(subject: "x") { _ in
                    HTTPRequest(.get, server.base, headers: [("X", value)])
                }
            } == .internalFault)
        #expect(server.requests.isEmpty)
    }

    @Test func `many threads share a client`() throws {
        let server = try TestServer { exchange in
            exchange.answer(200, body: Array(exchange.head.line.utf8))
        }
        defer { server.stop() }
        var options = quickOptions()
        options.parallel = ParallelLimit.Bounds(minimum: 1, initial: 2, maximum: 2)
        let client = HTTPClient(options)
        let wrong = Guarded<[String]>([])
        Threads.run(count: 8, name: "client") { thread in
            for round in 0..<10 {
                let path = "/\(thread)/\(round)"
                do throws(LifeboatError) {
                    let result = try client.perform(subject: path) { _ in
                        HTTPRequest(.get, server.base + path)
                    }
                    let line = String(decoding: result.response.body, as: UTF8.self)
                    if line != "GET \(path) HTTP/1.1" { wrong.withLock { $0.append(line) } }
                } catch {
                    wrong.withLock { $0.append(error.description) }
                }
            }
        }
        #expect(wrong.withLock { $0 } == [])
        #expect(server.connectionCount <= 2)
    }

    @Test func `traffic limits hold, and are no stall`() throws {
        let server = try TestServer { $0.answer(200, body: $0.readBody()) }
        defer { server.stop() }
        var options = quickOptions(attempts: 1)
        options.deadlines = HTTPDeadlines(connect: 10, stall: 1.5, total: 1.5, slowestRate: 1e9)
        options.uploadLimit = TrafficLimit(bytesPerSecond: 50000)
        options.downloadLimit = TrafficLimit(bytesPerSecond: 50000)
        let begin = Clock.monotonicSeconds()
        let body = [UInt8](repeating: 1, count: 100_000)
        let result = try body.withBytes { body throws(LifeboatError) in
            try HTTPClient(options).perform(subject: "x", body: [body]) { _ in
                HTTPRequest(.put, server.base)
            }
        }
        #expect(result.response.body == body)
        // Two seconds up, and down again besides its last piece.
        #expect(Clock.monotonicSeconds() - begin > 2)
    }

    @Test func `the source address is used`() throws {
        let server = try TestServer { $0.answer(200) }
        defer { server.stop() }
        func outcome(
            sourceAddress: String? = nil, interface: String? = nil
        ) -> LifeboatError.Code? {
            var options = quickOptions(attempts: 2)
            options.sourceAddress = sourceAddress
            options.interface = interface
            return code { () throws(LifeboatError) in
                _ = try HTTPClient(options).perform(subject: "x") { _ in
                    HTTPRequest(.get, server.base)
                }
            }
        }
        #expect(outcome(sourceAddress: "127.0.0.2") == nil)
        #expect(outcome(interface: "lo") == nil)
        #expect(outcome(sourceAddress: "203.0.113.1") == .unavailable)
        #expect(outcome(interface: "none0") == .unavailable)
        #expect(outcome(sourceAddress: "127.0.0.1", interface: "lo") == .usage)
        #expect(server.requests.count == 2)
    }
}
