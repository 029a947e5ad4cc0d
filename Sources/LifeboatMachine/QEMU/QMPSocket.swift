internal import Glibc
internal import LifeboatCore
internal import LifeboatSystem

/// A connected UNIX socket of which one thread reads while others write.
final class QMPSocket: Sendable {
    let path: String
    let descriptor: Int32

    init(path: String, timeoutSeconds: Double) throws(LifeboatError) {
        self.path = path
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw LifeboatError(
                .usage, "the path of a UNIX socket has 107 bytes at most", subject: path)
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        descriptor = socket(AF_UNIX, type | Int32(SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else {
            throw .system("cannot make a socket", path: path, number: errno)
        }
        let deadline = Clock.monotonicSeconds() + timeoutSeconds
        while true {
            let result = withUnsafePointer(to: address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            let number = errno
            if result == 0 { return }
            // So many wait already to be heard that the system takes no more of them.
            if number == EAGAIN || number == EINTR, Clock.monotonicSeconds() < deadline {
                Threads.sleep(seconds: 0.05)
                continue
            }
            Glibc.close(descriptor)
            if number == ECONNREFUSED {
                throw LifeboatError(
                    .unavailable, "nothing listens at \(path)", subject: path,
                    advice: "start the machine, or look where its QMP socket is")
            }
            throw .system("cannot connect to \(path)", path: path, number: number)
        }
    }

    deinit { Glibc.close(descriptor) }

    /// The process that made the socket, by what the system says.
    var peerProcess: Int32? {
        // Process, user and group, as `struct ucred` has them.
        var credentials: [Int32] = [0, 0, 0]
        var length = socklen_t(credentials.count * MemoryLayout<Int32>.size)
        guard getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0,
            credentials[0] > 0
        else { return nil }
        return credentials[0]
    }

    /// Ends both directions: whoever reads is at the end at once.
    func shutdown() { _ = Glibc.shutdown(descriptor, Int32(SHUT_RDWR)) }

    /// Waits for bytes; empty at the end of the connection.
    func receive() -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, 0)
            if count > 0 { return Array(buffer[0..<count]) }
            guard count < 0, errno == EAGAIN || errno == EINTR else { return [] }
            var waiting = pollfd(descriptor: descriptor, events: POLLIN)
            _ = poll(&waiting, 1, 60_000)
        }
    }

    /// Writes all, or throws by the deadline.
    func send(_ bytes: [UInt8], deadline: Double) throws(LifeboatError) {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(
                    descriptor, $0.baseAddress.map { $0 + done }, $0.count - done,
                    Int32(MSG_NOSIGNAL))
            }
            if count >= 0 {
                done += count
                continue
            }
            let number = errno
            guard number == EAGAIN || number == EINTR else {
                throw .system("cannot write to \(path)", path: path, number: number)
            }
            guard Clock.monotonicSeconds() < deadline else {
                throw LifeboatError(
                    .unavailable, "nobody reads from the socket \(path)", subject: path)
            }
            var waiting = pollfd(descriptor: descriptor, events: POLLOUT)
            _ = poll(&waiting, 1, 100)
        }
    }
}

extension pollfd {
    fileprivate init(descriptor: Int32, events: Int32) {
        self.init(fd: descriptor, events: Int16(events), revents: 0)
    }
}
