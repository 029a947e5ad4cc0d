import Glibc
import LifeboatCore
import LifeboatMachine
import LifeboatSystem
import LifeboatTesting

/// A guest agent on a UNIX socket that does what a test tells it.
///
/// As with a real one: one client at a time, one command after the other, and what it says to a
/// client that has gone reaches the next one.
final class ScriptedAgent: Sendable {
    /// What it does to one command.
    enum Fault: Sendable, Equatable {
        /// Answers after so many seconds.
        case late(Double)
        /// Does it after so many seconds.
        case slow(Double)
        /// Neither does it nor answers.
        case ignored
        /// Does it, and does not answer.
        case mute
        /// Does nothing and says that it did.
        case pretended
        case refused
        /// Does it, and says that it failed.
        case refusedButDone
        case garbage
        case huge
        /// Another answer than was asked for.
        case strange
        /// Ends the connection.
        case hangUp
        /// The agent ends, and what it froze stays as it is.
        case death
    }

    struct State: Sendable {
        var system = "linux"
        var allowsCommands = true
        var fileSystems = 3
        /// For each command, what happens to its next uses, in order.
        var faults: [String: [Fault]] = [:]
        var frozen = 0
        var frozenSince: Double?
        var longestFreeze = 0.0
        var log: [String] = []
        var deadManRound = 0
        var isDeadManArmed = false
        var deadManThaws = 0
        var isDead = false
        var output = "4711\n"
        /// How many seconds of the guest the dead-man's one second takes.
        var deadManScale = 1.0
    }

    let path: String
    let state = Guarded(State())
    private let folder: TemporaryDirectory
    private let listener: Int32

    init(_ change: (inout State) -> Void = { _ in }) throws {
        signal(SIGPIPE, SIG_IGN)
        folder = try TemporaryDirectory()
        path = folder.file("agent")
        state.withLock(change)
        listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        precondition(result == 0 && listen(listener, 64) == 0, "a socket in a new directory")
        let weak = WeakAgent(self)
        _ = Threads.start(name: "agent") { [listener] in Self.serve(listener, weak) }
    }

    deinit { shutdown(listener, Int32(SHUT_RDWR)) }

    private final class WeakAgent: @unchecked Sendable {
        weak var agent: ScriptedAgent?
        init(_ agent: ScriptedAgent) { self.agent = agent }
    }

    /// How long it has been frozen at most, up to now.
    var longestFreeze: Double {
        state.withLock {
            max($0.longestFreeze, $0.frozenSince.map { Clock.monotonicSeconds() - $0 } ?? 0)
        }
    }
    var isFrozen: Bool { state.withLock { $0.frozen > 0 } }

    // MARK: the socket

    private static func serve(_ listener: Int32, _ agent: WeakAgent) {
        var left: [UInt8] = []
        while true {
            let client = accept(listener, nil, nil)
            if client < 0, errno == EINTR { continue }
            guard client >= 0 else { break }
            defer { close(client) }
            var received: [UInt8] = []
            var isGone = !write(left, to: client)
            left = []
            while !isGone {
                var piece = [UInt8](repeating: 0, count: 4096)
                let count = read(client, &piece, piece.count)
                guard count > 0, let agent = agent.agent else { break }
                received += piece[..<count]
                while let end = received.firstIndex(of: 0x0A) {
                    let line = Array(received[..<end])
                    received.removeSubrange(...end)
                    let reply = agent.answer(line)
                    if agent.state.withLock({ $0.isDead }) { isGone = true }
                    guard let reply else { continue }
                    if reply.isEmpty { isGone = true }
                    if !write(reply, to: client) {
                        left += reply
                        isGone = true
                    }
                }
            }
            if agent.agent?.state.withLock({ $0.isDead }) ?? true { break }
        }
        close(listener)
    }

    private static func write(_ bytes: [UInt8], to client: Int32) -> Bool {
        // One who has gone is noticed before anything is lost on the way.
        var poller = pollfd(fd: client, events: Int16(POLLOUT), revents: 0)
        if poll(&poller, 1, 0) > 0, poller.revents & Int16(POLLHUP) != 0 {
            return bytes.isEmpty
        }
        var done = 0
        while done < bytes.count {
            let count = bytes[done...].withUnsafeBytes {
                Glibc.send(client, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            done += count
        }
        return true
    }

    // MARK: commands

    /// The reply; `nil` for none, and no bytes for the end of the connection.
    private func answer(_ line: [UInt8]) -> [UInt8]? {
        let start = line.lastIndex(of: 0xFF).map { $0 + 1 } ?? 0
        guard let command = try? JSON(parsing: Array(line[start...]), subject: "a client"),
            let name = command["execute"]?.text
        else { return Array("{\"error\": {\"class\": \"GenericError\", \"desc\": \"?\"}}\n".utf8) }
        let fault = state.withLock { state -> Fault? in
            state.log.append(name)
            guard var faults = state.faults[name], !faults.isEmpty else { return nil }
            defer { state.faults[name] = faults }
            return faults.removeFirst()
        }
        let failure: JSON = ["error": ["class": "GenericError", "desc": "it was told to fail"]]
        func act() -> JSON { carryOut(name, command["arguments"]) }
        func text(_ reply: JSON) -> [UInt8] {
            (name == "guest-sync-delimited" ? [0xFF] : []) + Array(reply.serialized.utf8) + [0x0A]
        }
        switch fault {
        case nil: return text(act())
        case .late(let seconds):
            let reply = act()
            Threads.sleep(seconds: seconds)
            return text(reply)
        case .slow(let seconds):
            Threads.sleep(seconds: seconds)
            return text(act())
        case .ignored: return nil
        case .mute:
            _ = act()
            return nil
        case .pretended: return text(["return": .integer(3)])
        case .refused: return text(failure)
        case .refusedButDone:
            _ = act()
            return text(failure)
        case .garbage: return [0x7B, 0x22, 0x00, 0xFE, 0x0A]
        case .huge: return [UInt8](repeating: 0x5B, count: 26 << 20)
        case .strange: return text(["return": ["what": "ever"]])
        case .hangUp: return []
        case .death:
            _ = act()
            state.withLock { $0.isDead = true }
            return []
        }
    }

    private func carryOut(_ name: String, _ arguments: JSON?) -> JSON {
        state.withLock { state in
            let whileFrozen: Set = [
                "guest-sync-delimited", "guest-info", "guest-fsfreeze-status",
                "guest-fsfreeze-thaw",
            ]
            let isCommand = name.hasPrefix("guest-exec")
            guard state.frozen == 0 || whileFrozen.contains(name),
                !isCommand || state.allowsCommands
            else { return ["error": ["class": "CommandNotFound", "desc": "it is disabled"]] }
            switch name {
            case "guest-sync-delimited": return ["return": arguments?["id"] ?? .null]
            case "guest-info":
                let names = ["guest-get-osinfo", "guest-exec", "guest-exec-status"]
                let list = names.map { name -> JSON in
                    let isEnabled = state.allowsCommands || !name.hasPrefix("guest-exec")
                    return ["name": .string(name), "enabled": .bool(isEnabled)]
                }
                return ["return": ["version": "7.2.22", "supported_commands": .array(list)]]
            case "guest-get-osinfo":
                return ["return": ["id": .string(state.system), "pretty-name": "A Guest 1"]]
            case "guest-fsfreeze-status":
                return ["return": state.frozen > 0 ? "frozen" : "thawed"]
            case "guest-fsfreeze-freeze", "guest-fsfreeze-freeze-list":
                let count = arguments?["mountpoints"]?.list?.count ?? state.fileSystems
                state.frozen = count
                if count > 0 { state.frozenSince = Clock.monotonicSeconds() }
                return ["return": .integer(Int64(count))]
            case "guest-fsfreeze-thaw": return ["return": .integer(Int64(Self.thaw(&state)))]
            case "guest-exec":
                start(arguments?["arg"]?.list?.last?.text ?? "", &state)
                return ["return": ["pid": 99]]
            case "guest-exec-status":
                let bytes = Array(state.output.utf8)
                return [
                    "return": [
                        "exited": true, "exitcode": 0, "out-data": .string(base64(bytes)),
                    ]
                ]
            default: return ["error": ["class": "CommandNotFound", "desc": "unknown"]]
            }
        }
    }

    private static func thaw(_ state: inout State) -> Int {
        if let since = state.frozenSince {
            state.longestFreeze = max(state.longestFreeze, Clock.monotonicSeconds() - since)
        }
        defer {
            state.frozen = 0
            state.frozenSince = nil
        }
        return state.frozen
    }

    /// The guest's processes outlive its agent.
    private func start(_ script: String, _ state: inout State) {
        state.log.append(String(script.prefix(40)))
        if script.contains("kill -9") {
            state.deadManRound += 1
            state.isDeadManArmed = false
            return
        }
        guard let range = script.firstRange(of: "sleep "),
            let seconds = Double(script[range.upperBound...].prefix { $0.isNumber })
        else { return }
        state.isDeadManArmed = true
        let round = state.deadManRound
        let scale = state.deadManScale
        _ = Threads.start(name: "dead-man") { [self] in
            Threads.sleep(seconds: seconds * scale)
            self.state.withLock { state in
                guard state.deadManRound == round else { return }
                if Self.thaw(&state) > 0 { state.deadManThaws += 1 }
            }
        }
    }

    private func base64(_ bytes: [UInt8]) -> String {
        let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var result: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let part = bytes[start..<min(start + 3, bytes.count)]
            var word = 0
            for index in 0..<3 {
                word = word << 8 | (index < part.count ? Int(part[start + index]) : 0)
            }
            for index in 0..<4 {
                result.append(index <= part.count ? digits[word >> (18 - 6 * index) & 63] : 0x3D)
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}
