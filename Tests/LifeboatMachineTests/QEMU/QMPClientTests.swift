import LifeboatCore
import LifeboatSystem
import Testing

@testable import LifeboatMachine

@Suite struct QMPClientTests {
    /// Answers `qmp_capabilities`, and all else as `answer` says.
    private static func server(
        _ answer: @escaping @Sendable (JSON) -> [ScriptedQMP.Move] = { [ScriptedQMP.reply($0)] }
    ) throws -> ScriptedQMP {
        try ScriptedQMP { message in
            message["execute"]?.text == "qmp_capabilities"
                ? [ScriptedQMP.reply(message)] : answer(message)
        }
    }

    @Test func `a call brings what QEMU returns`() throws {
        let server = try Self.server { [ScriptedQMP.reply($0, ["status": "running"])] }
        let client = try QMPClient(path: server.path)
        #expect(client.version == [7, 2, 22])
        #expect(try client.call("query-status")["status"]?.text == "running")
        #expect(server.commands == ["qmp_capabilities", "query-status"])
        #expect(client.isOpen)
    }

    @Test(arguments: [
        ("CommandNotFound", LifeboatError.Code.unsupported), ("DeviceNotFound", .missing),
        ("GenericError", .denied),
    ]) func `a refusal carries QEMU's words`(kind: String, code: LifeboatError.Code) throws {
        let server = try Self.server { [ScriptedQMP.refusal($0, kind, "no such thing")] }
        let client = try QMPClient(path: server.path)
        do throws(LifeboatError) {
            try client.call("blockdev-del")
            Issue.record("it was refused")
        } catch {
            #expect(error.code == code && error.cause == "no such thing")
        }
    }

    @Test func `replies find their calls whatever their order`() throws {
        let held = Guarded<JSON?>(nil)
        let server = try Self.server { message in
            guard let first = held.withLock({ $0 }) else {
                held.withLock { $0 = message }
                return []
            }
            return [
                ScriptedQMP.reply(message, message["execute"] ?? .null),
                ScriptedQMP.reply(first, first["execute"] ?? .null),
            ]
        }
        let client = try QMPClient(path: server.path)
        let results = try client.callAll([.init("one"), .init("two")], timeoutSeconds: 30)
        #expect(try results.map { try $0.get() } == ["one", "two"])
    }

    @Test func `events are kept until somebody asks for them`() throws {
        let server = try Self.server {
            [
                .say(#"{"event":"STOP","data":{}}"#), .say(#"{"event":"RESUME"}"#),
                ScriptedQMP.reply($0),
            ]
        }
        let client = try QMPClient(path: server.path)
        try client.call("stop")
        let event = try client.waitForEvent(timeoutSeconds: 30) { $0.name == "RESUME" }
        #expect(event.name == "RESUME")
        #expect(try client.waitForEvent(timeoutSeconds: 30) { _ in true }.name == "STOP")
    }

    @Test func `no flood of events is kept whole`() throws {
        let server = try Self.server { message in
            (0..<1000).map { .say(#"{"event":"E\#($0)"}"#) } + [ScriptedQMP.reply(message)]
        }
        let client = try QMPClient(path: server.path)
        try client.call("stop")
        let first = try client.waitForEvent(timeoutSeconds: 30) { _ in true }
        #expect(first.name == "E\(1000 - QMPWire.mostEvents)")
    }

    @Test func `a call that is not answered ends at its deadline`() throws {
        let server = try Self.server { _ in [] }
        let client = try QMPClient(path: server.path)
        #expect(throws: LifeboatError(.unavailable, "", subject: server.path)) {
            try client.call("query-status", timeoutSeconds: 0.2)
        }
        #expect(throws: LifeboatError(.unavailable, "", subject: server.path)) {
            _ = try client.waitForEvent(timeoutSeconds: 0.2) { _ in true }
        }
        #expect(client.isOpen)
    }

    @Test func `a reply that comes too late is no other call's`() throws {
        let late = Guarded<JSON?>(nil)
        let server = try Self.server { message in
            guard let first = late.withLock({ $0 }) else {
                late.withLock { $0 = message }
                return []
            }
            return [ScriptedQMP.reply(first, "late"), ScriptedQMP.reply(message, "right")]
        }
        let client = try QMPClient(path: server.path)
        #expect(throws: LifeboatError.self) { try client.call("a", timeoutSeconds: 0.2) }
        #expect(try client.call("b").text == "right")
    }

    /// A machine that vanishes must not keep anybody waiting: the deadline here is an hour.
    @Test func `all waits end when QEMU is gone`() throws {
        let server = try Self.server { _ in [] }
        let client = try QMPClient(path: server.path)
        let failures = Guarded<[LifeboatError]>([])
        let callers = (0..<4).map { number in
            Threads.start(name: "caller") {
                do throws(LifeboatError) {
                    if number == 0 {
                        _ = try client.waitForEvent(timeoutSeconds: 3600) { _ in false }
                    } else {
                        try client.call("query-\(number)", timeoutSeconds: 3600)
                    }
                } catch {
                    failures.withLock { $0.append(error) }
                }
            }
        }
        while server.commands.count < 4 { Threads.sleep(seconds: 0.01) }
        server.say(#"{"event":"SHUTDOWN","data":{"guest":true}}"#)
        server.hangUp()
        for caller in callers { caller.join() }
        let found = failures.withLock { $0 }
        #expect(found.count == 4)
        #expect(found.allSatisfy { $0.code == .unavailable })
        #expect(found.allSatisfy { $0.message.contains("shut down") })
        #expect(!client.isOpen)
        #expect(throws: LifeboatError(.unavailable, "", subject: server.path)) {
            try client.call("query-status", timeoutSeconds: 3600)
        }
    }

    @Test(arguments: ["SSH-2.0-OpenSSH_9.2", "[1,2", "{}", #"{"hello":1}"#])
    func `what does not speak QMP is told so`(words: String) throws {
        let server = try ScriptedQMP(greeting: [words]) { _ in [] }
        #expect(throws: LifeboatError(.damaged, "", subject: server.path)) {
            _ = try QMPClient(path: server.path, timeoutSeconds: 3600)
        }
    }

    @Test func `a line without end is given up`() throws {
        let server = try Self.server { _ in
            [.say(String(repeating: "x", count: QMPWire.longestLine + 10))]
        }
        let client = try QMPClient(path: server.path)
        #expect(throws: LifeboatError(.damaged, "", subject: server.path)) {
            try client.call("query-status", timeoutSeconds: 3600)
        }
    }

    @Test func `a server that is busy with another is not waited for without end`() throws {
        let server = try ScriptedQMP(greeting: []) { _ in [] }
        #expect(throws: LifeboatError(.unavailable, "", subject: server.path)) {
            _ = try QMPClient(path: server.path, timeoutSeconds: 0.2)
        }
    }

    @Test func `a socket that is not there is told so`() {
        #expect(throws: LifeboatError(.missing, "", subject: "/nowhere/qmp")) {
            _ = try QMPClient(path: "/nowhere/qmp")
        }
        let long = "/" + String(repeating: "x", count: 200)
        #expect(throws: LifeboatError(.usage, "", subject: long)) {
            _ = try QMPClient(path: long)
        }
    }
}
