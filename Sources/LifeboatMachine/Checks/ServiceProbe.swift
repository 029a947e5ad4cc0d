internal import Glibc
public import LifeboatCore
internal import LifeboatSystem

/// Asks whether a service of a machine answers over the network.
public enum ServiceProbe {
    private static let answerLimit = 16 << 20

    /// Whether something accepts connections at a port.
    ///
    /// - Throws: `.unavailable` with the system's words.
    public static func connect(
        host: String, port: UInt16, timeoutSeconds: Double
    ) throws(LifeboatError) {
        let descriptor = try open(host, port, timeoutSeconds)
        close(descriptor)
    }

    /// What a web server answers to a plain `GET`: its status and its text.
    ///
    /// - Throws: `.unavailable`.
    public static func get(
        host: String, port: UInt16, path: String, timeoutSeconds: Double
    ) throws(LifeboatError) -> (status: Int, body: [UInt8]) {
        let deadline = Clock.monotonicSeconds() + timeoutSeconds
        let place = "\(host):\(port)"
        let descriptor = try open(host, port, timeoutSeconds)
        defer { close(descriptor) }
        let request = Array(
            "GET \(path) HTTP/1.0\r\nHost: \(host)\r\nConnection: close\r\n\r\n".utf8)
        guard send(descriptor, request, request.count, Int32(MSG_NOSIGNAL)) == request.count
        else { throw failure(place, "the request could not be sent") }
        var answer: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        while answer.count < answerLimit {
            let left = deadline - Clock.monotonicSeconds()
            guard left > 0, wait(descriptor, POLLIN, left) else {
                throw failure(place, "it did not finish its answer in time")
            }
            let count = recv(descriptor, &piece, piece.count, 0)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            answer += piece[0..<count]
        }
        return try parse(answer, place)
    }

    static func parse(
        _ answer: [UInt8], _ place: String
    ) throws(LifeboatError) -> (status: Int, body: [UInt8]) {
        let head = answer.prefix { $0 != UInt8(ascii: "\n") }
        let words = String(decoding: head, as: UTF8.self).split(separator: " ")
        guard words.count >= 2, words[0].hasPrefix("HTTP/"), let status = Int(words[1].prefix(3))
        else { throw failure(place, "what answers is no web server") }
        // The first empty line ends the header.
        var position = 0
        while let end = answer[position...].firstIndex(of: UInt8(ascii: "\n")) {
            let line = answer[position..<end]
            position = end + 1
            if line.isEmpty || line.elementsEqual([UInt8(ascii: "\r")]) { break }
        }
        return (status, Array(answer[position...]))
    }

    private static func failure(_ place: String, _ why: String) -> LifeboatError {
        LifeboatError(.unavailable, "\(place) does not answer", subject: place, cause: why)
    }

    private static func wait(_ descriptor: Int32, _ events: Int32, _ seconds: Double) -> Bool {
        let deadline = Clock.monotonicSeconds() + seconds
        while true {
            let left = deadline - Clock.monotonicSeconds()
            guard left > 0 else { return false }
            var entry = pollfd(fd: descriptor, events: Int16(events), revents: 0)
            let count = poll(&entry, 1, Int32(min(left * 1000 + 1, 1e9)))
            if count < 0, errno == EINTR { continue }
            return count > 0
        }
    }

    private static func open(
        _ host: String, _ port: UInt16, _ timeoutSeconds: Double
    ) throws(LifeboatError) -> Int32 {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, String(port), &hints, &list) == 0, let first = list else {
            throw failure("\(host):\(port)", "the name is not known")
        }
        defer { freeaddrinfo(list) }
        let flags =
            Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
            | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(first.pointee.ai_family, flags, 0)
        guard descriptor >= 0 else {
            throw failure("\(host):\(port)", String(cString: strerror(errno)))
        }
        if Glibc.connect(descriptor, first.pointee.ai_addr, first.pointee.ai_addrlen) == 0 {
            return descriptor
        }
        var number = errno
        if number == EINPROGRESS {
            if wait(descriptor, POLLOUT, timeoutSeconds) {
                var size = socklen_t(MemoryLayout<Int32>.size)
                getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &number, &size)
            } else {
                number = ETIMEDOUT
            }
        }
        if number == 0 { return descriptor }
        close(descriptor)
        throw failure("\(host):\(port)", String(cString: strerror(number)))
    }
}
