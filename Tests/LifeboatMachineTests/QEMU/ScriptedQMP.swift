import Glibc
import LifeboatCore
import LifeboatSystem
import LifeboatTesting

@testable import LifeboatMachine

/// A QMP server that answers as a test wants it to.
final class ScriptedQMP: Sendable {
    static let greeting =
        #"{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}}, "capabilities": []}}"#

    /// What a server does next.
    enum Move: Sendable {
        case say(String)
        case hangUp
    }

    let path: String
    private let folder: TemporaryDirectory
    private let listener: Int32
    private let peer = Guarded<Int32>(-1)
    private let seen = Guarded<[JSON]>([])
    private let thread: Threads.Handle

    /// Greets with `greeting`, and then does for each message what `answer` says.
    init(
        greeting: [String] = [ScriptedQMP.greeting],
        answer: @escaping @Sendable (JSON) -> [Move]
    ) throws {
        folder = try TemporaryDirectory()
        path = folder.file("qmp")
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        self.listener = listener
        let bound = withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        precondition(bound == 0 && listen(listener, 4) == 0)
        thread = Threads.start(name: "scripted") { [peer, seen] in
            let descriptor = accept(listener, nil, nil)
            guard descriptor >= 0 else { return }
            peer.withLock { $0 = descriptor }
            for line in greeting { Self.write(line + "\r\n", descriptor) }
            var pending: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 4096)
            while true {
                let count = recv(descriptor, &buffer, buffer.count, 0)
                guard count > 0 else { break }
                pending += buffer[0..<count]
                while let end = pending.firstIndex(of: UInt8(ascii: "\n")) {
                    let line = Array(pending[..<end])
                    pending.removeSubrange(...end)
                    guard let message = try? JSON(parsing: line, subject: "client") else { return }
                    seen.withLock { $0.append(message) }
                    for move in answer(message) {
                        switch move {
                        case .say(let text): Self.write(text + "\r\n", descriptor)
                        case .hangUp: _ = shutdown(descriptor, Int32(SHUT_RDWR))
                        }
                    }
                }
            }
        }
    }

    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
        let descriptor = peer.withLock { $0 }
        if descriptor >= 0 { shutdown(descriptor, Int32(SHUT_RDWR)) }
        thread.join()
        if descriptor >= 0 { close(descriptor) }
        close(listener)
    }

    /// The names of the commands that have come.
    var commands: [String] { seen.withLock { $0.compactMap { $0["execute"]?.text } } }

    /// Says something of its own accord.
    func say(_ text: String) { Self.write(text + "\r\n", peer.withLock { $0 }) }

    func hangUp() { shutdown(peer.withLock { $0 }, Int32(SHUT_RDWR)) }

    private static func write(_ text: String, _ descriptor: Int32) {
        let bytes = Array(text.utf8)
        var done = 0
        while done < bytes.count {
            let count = bytes[done...].withUnsafeBytes {
                send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return }
            done += count
        }
    }

    /// The reply to a message.
    static func reply(_ message: JSON, _ value: JSON = .object([:])) -> Move {
        .say(JSON.object(["return": value, "id": message["id"] ?? .null]).serialized)
    }

    static func refusal(_ message: JSON, _ kind: String, _ words: String) -> Move {
        .say(
            JSON.object([
                "error": ["class": .string(kind), "desc": .string(words)],
                "id": message["id"] ?? .null,
            ]).serialized)
    }
}
