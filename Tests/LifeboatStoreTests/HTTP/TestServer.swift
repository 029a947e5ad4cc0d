import Glibc
import LifeboatCore
import LifeboatSystem

/// A small HTTP server on a port of this machine that does what a test's handler says.
final class TestServer: Sendable {
    /// So long a socket may stay silent before a test gives up, in seconds.
    static let patience = 20

    let port: UInt16
    private let listener: Int32
    private let sockets = Guarded<[Int32]>([])
    private let acceptor = Guarded<Threads.Handle?>(nil)
    private let recorded = Guarded<[Exchange.Head]>([])
    private let connections = Guarded(0)
    private let handler: @Sendable (Exchange) -> Void

    init(_ handler: @escaping @Sendable (Exchange) -> Void) throws {
        self.handler = handler
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = listener
        let result = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { name in
                guard bind(descriptor, name, length) == 0, listen(descriptor, 64) == 0 else {
                    return Int32(-1)
                }
                return getsockname(descriptor, name, &length)
            }
        }
        guard result == 0 else { throw LifeboatError(.unavailable, "no port for a test server") }
        port = UInt16(bigEndian: address.sin_port)
        let handle = Threads.start(name: "test server") { [unowned self] in self.accept() }
        acceptor.withLock { $0 = handle }
    }

    /// Ends all connections and waits for the listening thread.
    func stop() {
        shutdown(listener, Int32(SHUT_RDWR))
        acceptor.withLock { $0 }?.join()
        close(listener)
        sockets.withLock { for socket in $0 { shutdown(socket, Int32(SHUT_RDWR)) } }
    }

    var base: String { "http://127.0.0.1:\(port)" }

    /// The requests so far, in order.
    var requests: [Exchange.Head] { recorded.withLock { $0 } }

    /// The connections so far.
    var connectionCount: Int { connections.withLock { $0 } }

    private func accept() {
        let state = (sockets, recorded, connections, handler)
        while true {
            let socket = Glibc.accept(listener, nil, nil)
            guard socket >= 0 else { return }
            var time = timeval(tv_sec: Self.patience, tv_usec: 0)
            for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
                setsockopt(
                    socket, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
            }
            state.2.withLock { $0 += 1 }
            state.0.withLock { $0.append(socket) }
            _ = Threads.start(name: "test connection") {
                while let exchange = Exchange(socket) {
                    let number = state.1.withLock { heads in
                        heads.append(exchange.head)
                        return heads.count
                    }
                    exchange.number = number
                    state.3(exchange)
                    guard !exchange.isClosed else { break }
                }
                state.0.withLock { $0.removeAll { $0 == socket } }
                close(socket)
            }
        }
    }
}

/// One request to a test server, used by its connection's thread only.
final class Exchange: @unchecked Sendable {
    struct Head: Sendable {
        var line = ""
        var headers: [String: String] = [:]

        var contentLength: Int { headers["content-length"].flatMap { Int($0) } ?? 0 }
    }

    let head: Head
    /// From 1 for the first request of the server.
    fileprivate(set) var number = 0
    private(set) var isClosed = false
    private let socket: Int32

    /// `nil` at the connection's end.
    fileprivate init?(_ socket: Int32) {
        self.socket = socket
        var text: [UInt8] = []
        while !text.suffix(4).elementsEqual([13, 10, 13, 10]) {
            guard let byte = Self.read(socket, 1).first else { return nil }
            text.append(byte)
        }
        var head = Head()
        for line in String(decoding: text, as: UTF8.self).split(separator: "\r\n") {
            if head.line.isEmpty {
                head.line = String(line)
                continue
            }
            let parts = line.split(separator: ":", maxSplits: 1)
            head.headers[parts[0].lowercased()] =
                parts.count > 1 ? String(parts[1].dropFirst()) : ""
        }
        self.head = head
    }

    /// So many bytes of the request's body, or fewer at the connection's end.
    func readBody(_ count: Int? = nil) -> [UInt8] {
        Self.read(socket, count ?? head.contentLength)
    }

    func send(_ text: String) { send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(
                    socket, $0.baseAddress.map { $0 + sent }, bytes.count - sent,
                    Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { break }
            sent += count
        }
    }

    /// A whole reply.
    func answer(_ status: Int, _ headers: String = "", body: [UInt8] = []) {
        let text = "HTTP/1.1 \(status) Text\r\nContent-Length: \(body.count)\r\n\(headers)\r\n"
        // In one go: two writes would wait for each other's acknowledgement.
        send(Array(text.utf8) + (head.line.hasPrefix("HEAD") ? [] : body))
    }

    /// Ends the connection after this request; `hard`: without a farewell.
    func close(hard: Bool = false) {
        isClosed = true
        guard hard else { return }
        var linger = linger(l_onoff: 1, l_linger: 0)
        setsockopt(
            socket, SOL_SOCKET, SO_LINGER, &linger,
            socklen_t(MemoryLayout.size(ofValue: linger)))
    }

    /// Waits until the other side ends the connection.
    func waitForEnd() {
        while !Self.read(socket, 1).isEmpty {}
        isClosed = true
    }

    private static func read(_ socket: Int32, _ count: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var filled = 0
        while filled < count {
            let part = bytes.withUnsafeMutableBytes {
                recv(socket, $0.baseAddress.map { $0 + filled }, count - filled, 0)
            }
            guard part > 0 else { break }
            filled += part
        }
        return Array(bytes.prefix(filled))
    }
}
