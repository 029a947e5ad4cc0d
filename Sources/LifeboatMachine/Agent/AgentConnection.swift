import Glibc
import LifeboatCore
import LifeboatSystem

/// One connection to a UNIX socket on which lines go both ways, each wait with a deadline.
struct AgentConnection: ~Copyable {
    /// The agent keeps at most 16 MiB of a program's output, which base64 makes longer.
    private static let longestLine = 24 << 20

    private let descriptor: Int32
    private let path: String
    private let deadline: Deadline
    private var received: [UInt8] = []
    /// How much of `received` is known to hold no end of line.
    private var searched = 0

    init(path: String, deadline: Deadline) throws(LifeboatError) {
        self.path = path
        self.deadline = deadline
        descriptor = socket(
            AF_UNIX,
            Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
                | Int32(SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else {
            throw .system("cannot make a socket for \(path)", path: path, number: errno)
        }
        try connectSocket()
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// A full queue of waiting clients says `EAGAIN`, and later takes one more.
    private func connectSocket() throws(LifeboatError) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        let room = MemoryLayout.size(ofValue: address.sun_path) - 1
        guard !bytes.isEmpty, bytes.count <= room else {
            throw LifeboatError(
                .refused, "the name of a socket has at most \(room) bytes", subject: path)
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        while true {
            let result = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            if result == 0 { return }
            let number = errno
            if number == EINTR { continue }
            guard number == EAGAIN, !deadline.hasPassed else {
                // Nobody listens: the machine is off, or has no such channel.
                throw number == ECONNREFUSED || number == EAGAIN
                    ? silence("takes no connection")
                    : .system("cannot connect to \(path)", path: path, number: number)
            }
            Threads.sleep(seconds: min(0.05, deadline.seconds))
        }
    }

    func send(_ bytes: [UInt8]) throws(LifeboatError) {
        var done = 0
        while done < bytes.count {
            let count = bytes[done...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if count > 0 {
                done += count
                continue
            }
            switch errno {
            case EINTR: continue
            case EAGAIN: try wait(for: Int16(POLLOUT))
            case let number: throw .system("cannot write to \(path)", path: path, number: number)
            }
        }
    }

    /// The next line, without its end.
    mutating func line() throws(LifeboatError) -> [UInt8] {
        while true {
            if let end = received[searched...].firstIndex(of: 0x0A) {
                let line = Array(received[..<end])
                received.removeSubrange(...end)
                searched = 0
                return line
            }
            searched = received.count
            guard received.count <= Self.longestLine else {
                throw LifeboatError(
                    .damaged, "the guest's agent says more than an answer can have", subject: path)
            }
            try receive()
        }
    }

    private mutating func receive() throws(LifeboatError) {
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            // Also where bytes never stop coming.
            guard !deadline.hasPassed else { throw silence("does not answer in time") }
            let count = read(descriptor, &piece, piece.count)
            if count > 0 {
                received += piece[..<count]
                return
            }
            if count == 0 { throw silence("ended the connection") }
            switch errno {
            case EINTR: continue
            case EAGAIN: try wait(for: Int16(POLLIN))
            case let number: throw .system("cannot read from \(path)", path: path, number: number)
            }
        }
    }

    private func wait(for events: Int16) throws(LifeboatError) {
        let left = deadline.seconds
        guard left > 0 else { throw silence("does not answer in time") }
        var poller = pollfd(fd: descriptor, events: events, revents: 0)
        _ = poll(&poller, 1, Int32(min(left, 3600) * 1000) + 1)
    }

    private func silence(_ what: String) -> LifeboatError {
        LifeboatError(
            .unavailable, "the guest's agent \(what)", subject: path,
            advice: "see that the agent runs in the guest and that nobody else holds its socket")
    }
}
