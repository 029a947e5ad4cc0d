internal import Glibc

/// Asks a server for the first bytes that it says to whoever connects.
public enum ServerGreeting {
    /// Where a server listens.
    public enum Place: Sendable, Hashable {
        case socket(path: String)
        case port(host: String, number: UInt16)
    }

    /// The longest path that a socket can have.
    public static let pathLimit = 107

    /// The first `count` bytes; `nil` when nobody answers with as many within so many seconds.
    public static func read(_ place: Place, count: Int, seconds: Double) -> [UInt8]? {
        let descriptor = connected(place)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        let end = Clock.monotonicSeconds() + seconds
        var bytes: [UInt8] = []
        while bytes.count < count {
            let left = end - Clock.monotonicSeconds()
            guard left > 0 else { return nil }
            var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let ready = poll(&entry, 1, Int32(max(1, left * 1000)))
            if ready < 0, errno == EINTR { continue }
            guard ready > 0 else { return nil }
            var piece = [UInt8](repeating: 0, count: count - bytes.count)
            let got = recv(descriptor, &piece, piece.count, 0)
            guard got > 0 else { return nil }
            bytes += piece[0..<got]
        }
        return bytes
    }

    private static func connected(_ place: Place) -> Int32 {
        switch place {
        case .socket(let path): connected(path)
        case .port(let host, let number): connected(host, number)
        }
    }

    private static func connected(_ path: String) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count <= pathLimit else { return -1 }
        withUnsafeMutableBytes(of: &address.sun_path) { room in
            room.copyBytes(from: bytes)
        }
        let descriptor = socket(
            AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return -1 }
        let isConnected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
        if isConnected { return descriptor }
        close(descriptor)
        return -1
    }

    private static func connected(_ host: String, _ number: UInt16) -> Int32 {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, String(number), &hints, &list) == 0 else { return -1 }
        defer { freeaddrinfo(list) }
        var next = list
        while let entry = next {
            let descriptor = socket(
                entry.pointee.ai_family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue),
                0)
            if descriptor >= 0 {
                if connect(descriptor, entry.pointee.ai_addr, entry.pointee.ai_addrlen) == 0 {
                    return descriptor
                }
                close(descriptor)
            }
            next = entry.pointee.ai_next
        }
        return -1
    }
}
