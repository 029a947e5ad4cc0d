import Glibc

/// Standard output and standard error, written whole.
enum StandardStream: CInt, Sendable {
    case output = 1
    case error = 2

    /// Whether a person is looking at it.
    var isTerminal: Bool { isatty(rawValue) == 1 }

    /// The columns of the terminal; 80 where they are unknown.
    var width: Int {
        var size = winsize()
        guard ioctl(rawValue, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }

    /// False when not all could be written.
    @discardableResult
    func write(_ text: String) -> Bool { Self.write(Array(text.utf8), to: rawValue) }

    static func write(_ bytes: [UInt8], to descriptor: CInt) -> Bool {
        var offset = 0
        while offset < bytes.count {
            let start = offset
            let count = bytes.withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress?.advanced(by: start), bytes.count - start)
            }
            if count > 0 {
                offset += count
            } else if count < 0, errno == EINTR {
                continue
            } else if count < 0, errno == EAGAIN {
                var wait = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                poll(&wait, 1, 1000)
            } else {
                return false
            }
        }
        return true
    }
}
