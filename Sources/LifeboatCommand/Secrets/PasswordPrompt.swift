import Glibc
import LifeboatCodec
import LifeboatCore

/// Asks for a password on the terminal, without showing what is typed.
struct PasswordPrompt {
    var cancellation: Cancellation
    /// The controlling terminal, whatever standard input is.
    var path = "/dev/tty"

    init(cancellation: Cancellation) { self.cancellation = cancellation }

    func ask(_ what: String) throws(LifeboatError) -> SecretBytes {
        SecretBytes(try line("\(what): "))
    }

    /// Asks again, until both answers are the same.
    func askTwice(_ what: String) throws(LifeboatError) -> SecretBytes {
        while true {
            let first = try line("\(what): ")
            if try line("\(what), once more: ") == first { return SecretBytes(first) }
            show("these differ, please try again\n")
        }
    }

    private func line(_ prompt: String) throws(LifeboatError) -> [UInt8] {
        let terminal = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC)
        guard terminal >= 0 else { throw missing() }
        defer { close(terminal) }
        var before = termios()
        guard tcgetattr(terminal, &before) == 0 else { throw missing() }
        var silent = before
        silent.c_lflag &= ~tcflag_t(ECHO)
        silent.c_lflag |= tcflag_t(ICANON | ISIG | ECHONL)
        guard tcsetattr(terminal, TCSAFLUSH, &silent) == 0 else { throw missing() }
        defer { tcsetattr(terminal, TCSAFLUSH, &before) }
        _ = StandardStream.write(Array("lifeboat: \(prompt)".utf8), to: terminal)
        return try PasswordFile.firstLine(try read(terminal), of: "what was typed")
    }

    private func read(_ terminal: CInt) throws(LifeboatError) -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1024)
        // The signal thread takes the signals, so a read would not be interrupted: look often.
        while bytes.last != UInt8(ascii: "\n") {
            try cancellation.check()
            var wait = pollfd(fd: terminal, events: Int16(POLLIN), revents: 0)
            guard poll(&wait, 1, 100) > 0 else { continue }
            let count = Glibc.read(terminal, &buffer, buffer.count)
            if count == 0 { break }
            if count < 0 {
                if errno == EINTR { continue }
                throw missing()
            }
            bytes += buffer[..<count]
        }
        return bytes
    }

    private func show(_ text: String) {
        StandardStream.error.write("lifeboat: \(text)")
    }

    private func missing() -> LifeboatError {
        LifeboatError(
            .usage, "no password was given, and there is no terminal to ask on",
            advice: "give --password-file, --password-command or --key-file")
    }
}
