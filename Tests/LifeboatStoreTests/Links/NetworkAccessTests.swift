import LifeboatCore
import LifeboatSystem
import LifeboatTesting
import Testing

@testable import LifeboatStore

@Suite struct NetworkAccessTests {
    /// A host with a file of links.
    private final class Host: EventSink, Sendable {
        let folder: TemporaryDirectory
        let now = Guarded(WeekMinute(0))
        let warnings = Guarded<[String]>([])

        init(_ text: String) throws {
            folder = try TemporaryDirectory()
            try describe(text)
        }

        func describe(_ text: String) throws {
            try Files.writeAtomically(folder.file("links.yaml"), Array(text.utf8))
        }

        var records: LinkRecords { LinkRecords(stateDirectory: folder.path) }

        var options: NetworkOptions {
            var options = NetworkOptions()
            options.linkFiles = [folder.file("links.yaml")]
            options.stateDirectory = folder.path
            options.events = self
            return options
        }

        /// `period`: long, so that only the test looks.
        func access(_ options: NetworkOptions? = nil, period: Double = 600) -> NetworkAccess {
            NetworkAccess(options ?? self.options, period: period) { self.now.withLock { $0 } }
        }

        func tell(_ event: Event) {
            if case .warning(let text) = event { warnings.withLock { $0.append(text) } }
        }
    }

    private let target = LinkTarget(location: "s3:https://h/b", authorities: ["h"])
    private let other = LinkTarget(location: "s3:https://o/b", authorities: ["o"])

    @Test func `connections over one link share its limits`() throws {
        let host = try Host("links: {a: {carries: [h, i], upload: 9B/s, interface: lo}}")
        let access = host.access()
        let route = try access.route(to: target)
        let again = try access.route(
            to: LinkTarget(location: "s3:https://i/b", authorities: ["i"]))
        #expect(route === again && route.link == "a" && route.interface == "lo")
        #expect(route.uploadLimit.bytesPerSecond == 9 && route.downloadLimit.bytesPerSecond == nil)
        let free = try access.route(to: other)
        #expect(free.link == nil && free.uploadLimit.bytesPerSecond == nil)
        #expect(free.interface == nil)
    }

    @Test func `the lower limit of link and process holds, and its address goes first`() throws {
        let host = try Host("links: {a: {carries: h, upload: 9B/s, interface: lo}}")
        var options = host.options
        options.uploadLimit = .bytesPerSecond(10)
        options.downloadLimit = .bytesPerSecond(3)
        options.sourceAddress = "127.0.0.2"
        let route = try host.access(options).route(to: target)
        #expect(route.uploadLimit.bytesPerSecond == 9 && route.downloadLimit.bytesPerSecond == 3)
        #expect(route.sourceAddress == "127.0.0.2" && route.interface == nil)
        let free = try host.access(options).route(to: other)
        #expect(free.uploadLimit.bytesPerSecond == 10)
        options.interface = "lo"
        #expect(throws: LifeboatError(.usage, "")) { try host.access(options).route(to: target) }
    }

    @Test func `limits follow the clock, the file and commands`() throws {
        let host = try Host(
            "links: {a: {carries: h, upload: 9B/s, windows: [tue 00:00-24:00 5B/s]}}")
        let access = host.access()
        let route = try access.route(to: target)
        var rate: UInt64? {
            access.refresh()
            return route.uploadLimit.bytesPerSecond
        }
        #expect(rate == 9)
        host.now.withLock { $0 = WeekMinute(day: 1, minute: 0) }
        #expect(rate == 5)
        try host.records.limit("a", .init(upload: .bytesPerSecond(7)))
        #expect(rate == 7)
        _ = try host.records.clearLimit("a")
        #expect(rate == 5)
        try host.describe("links: {a: {carries: h, upload: 11B/s}}")
        #expect(rate == 11)
        try host.describe("links: {b: {carries: h}}")
        #expect(rate == nil)
        #expect(host.warnings.withLock { $0 } == [])
    }

    @Test func `a fault is told once, and what was said before holds on`() throws {
        let host = try Host("links: {a: {carries: h, upload: 9B/s}}")
        let access = host.access()
        let route = try access.route(to: target)
        try host.describe("links: {a: {carries: h, upload: much}}")
        for _ in 0..<3 { access.refresh() }
        #expect(route.uploadLimit.bytesPerSecond == 9)
        #expect(host.warnings.withLock { $0.count } == 1)
        try Files.remove(host.folder.file("links.yaml"))
        for _ in 0..<3 { access.refresh() }
        #expect(route.uploadLimit.bytesPerSecond == 9)
        #expect(host.warnings.withLock { $0.count } == 2)
        try host.describe("links: {a: {carries: h, upload: 8B/s}}")
        access.refresh()
        #expect(route.uploadLimit.bytesPerSecond == 8)
        try Files.makeDirectories(host.folder.file("links"))
        try Files.writeAtomically(host.folder.file("links/a.json"), [1])
        for _ in 0..<3 { access.refresh() }
        #expect(route.uploadLimit.bytesPerSecond == 8)
        #expect(host.warnings.withLock { $0.count } == 3)
    }

    @Test func `the file is read again when that is asked for`() throws {
        let host = try Host("links: {a: {carries: h, upload: much}}")
        let options = host.options
        let access = host.access(options)
        #expect(throws: LifeboatError.self) { try access.route(to: target) }
        try host.describe("links: {a: {carries: h, upload: 9B/s}}")
        let route = try access.route(to: target)
        try host.describe("links: {a: {carries: h, upload: much}}")
        for count in 1...2 {
            options.rereading.ask()
            access.refresh()
            access.refresh()
            #expect(host.warnings.withLock { $0.count } == count)
        }
        #expect(route.uploadLimit.bytesPerSecond == 9)
    }

    @Test func `a needed file must be there`() throws {
        let host = try Host("")
        var options = host.options
        options.linkFiles = [host.folder.file("none.yaml")]
        #expect(try host.access(options).route(to: target).link == nil)
        options.needsLinkFile = true
        #expect(throws: LifeboatError(.missing, "", subject: options.linkFiles[0])) {
            try host.access(options).route(to: target)
        }
    }

    @Test func `a suspended link is not used`() throws {
        let host = try Host("links: {a: {carries: h}}")
        let access = host.access()
        _ = try host.records.suspend("a")
        let error = #expect(throws: LifeboatError(.suspended, "", subject: "a")) {
            try access.route(to: target)
        }
        #expect(error?.message.contains(" since 20") == true)
        #expect(error?.advice?.contains("lifeboat resume a") == true)
        #expect(try access.route(to: other).link == nil)
        _ = try host.records.resume("a")
        #expect(try access.route(to: target).link == "a")
    }

    // MARK: with a server

    private func store(_ host: Host, _ server: TestServer, period: Double) throws -> HTTPClient {
        let options = StoreOptions(network: host.access(period: period))
        var http = try options.http(
            location: "s3:\(server.base)/bucket", authorities: ["127.0.0.1:\(server.port)"])
        http.deadlines = HTTPDeadlines(connect: 10, stall: 15, total: 20)
        http.retries = quickOptions().retries
        return HTTPClient(http)
    }

    /// At a byte a second it would take a day, so it only ends if the limit is lifted.
    @Test(arguments: [true, false])
    func `a limit is lifted while a transfer runs`(byCommand: Bool) throws {
        let host = try Host("links: {a: {carries: 127.0.0.1, upload: 1B/s, download: 1B/s}}")
        let server = try TestServer { exchange in
            let body = exchange.readBody()
            exchange.answer(200, body: body)
        }
        defer { server.stop() }
        let client = try store(host, server, period: 0.05)
        let body = [UInt8](repeating: 7, count: 100_000)
        let isDone = Guarded(false)
        let lifter = Threads.start(name: "lifter") {
            while server.requests.isEmpty { Threads.sleep(seconds: 0.01) }
            Threads.sleep(seconds: 0.5)
            #expect(!isDone.withLock { $0 })
            if byCommand {
                #expect(throws: Never.self) {
                    try host.records.limit("a", .init(upload: .unlimited, download: .unlimited))
                }
            } else {
                #expect(throws: Never.self) {
                    try host.describe("links: {a: {carries: 127.0.0.1}}")
                }
            }
        }
        let result = try body.withBytes { bytes throws(LifeboatError) in
            try client.perform(subject: "x", body: [bytes]) { _ in
                HTTPRequest(.put, server.base)
            }
        }
        isDone.withLock { $0 = true }
        lifter.join()
        #expect(result.response.body == body)
        #expect(server.requests.count == 1)
    }

    @Test func `a run ends at the first request after its link was suspended`() throws {
        let host = try Host("links: {a: {carries: 127.0.0.1}}")
        let server = try TestServer { exchange in
            // The one that runs is done, and the next attempt is none.
            if exchange.number == 2 {
                #expect(throws: Never.self) { try host.records.suspend("a") }
            }
            exchange.answer(exchange.number < 2 ? 200 : 503)
        }
        defer { server.stop() }
        let client = try store(host, server, period: 600)
        func request() throws(LifeboatError) -> Int {
            try client.perform(subject: "x") { _ in HTTPRequest(.get, server.base) }.response.status
        }
        #expect(try request() == 200)
        for _ in 0..<2 {
            #expect(throws: LifeboatError(.suspended, "", subject: "a")) { try request() }
        }
        #expect(server.requests.count == 2)
        _ = try host.records.resume("a")
        #expect(try request() == 503)
    }

    @Test func `stores go by their links`() throws {
        let host = try Host(
            "links: {a: {carries: h.example}, b: {carries: keys.example, upload: 1B/s}}")
        _ = try host.records.suspend("a")
        _ = try host.records.suspend("b")
        func open(_ location: String, _ environment: [String: String]) throws -> String? {
            let options = StoreOptions(environment: environment, network: host.access())
            let error = #expect(throws: LifeboatError.self) {
                _ = try StoreLocation(location).open(options)
            }
            return error?.code == .suspended ? error?.subject : nil
        }
        #expect(
            try open(
                "s3:https://h.example/bucket",
                ["AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "s"]) == "a")
        #expect(
            try open(
                "swift:bucket",
                [
                    "ST_AUTH": "https://keys.example/auth/v1.0", "ST_USER": "u", "ST_KEY": "k",
                    "HOME": host.folder.path,
                ]) == "b")
    }
}
