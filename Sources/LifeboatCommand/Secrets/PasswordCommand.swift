import Foundation
import LifeboatCodec
import LifeboatCore

/// A password that a shell command prints in its first line.
///
/// The command gets no input, its standard error is ours, and it must end well in time.
struct PasswordCommand {
    var command: String
    var deadlineSeconds = 60.0

    init(_ command: String) { self.command = command }

    func run(cancellation: Cancellation) throws(LifeboatError) -> SecretBytes {
        var ends: [CInt] = [-1, -1]
        guard pipe(&ends) == 0 else { throw failure("cannot start it", errno) }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        defer { close(ends[0]) }
        let child: pid_t
        do {
            defer { close(ends[1]) }
            child = try spawn(output: ends[1])
        }
        var isReaped = false
        defer {
            if !isReaped {
                kill(child, SIGKILL)
                waitpid(child, nil, 0)
            }
        }
        let end = ProcessInfo.processInfo.systemUptime + deadlineSeconds
        let bytes = try read(ends[0], until: end, cancellation)
        let status = try wait(child, until: end, cancellation)
        isReaped = true
        guard status == 0 else {
            // The low seven bits hold the signal, the next byte the exit code.
            let signal = status & 0x7F
            throw failure(
                signal == 0
                    ? "it ended with exit code \(status >> 8 & 0xFF)"
                    : "signal \(signal) ended it")
        }
        return SecretBytes(try PasswordFile.firstLine(bytes, of: "the password command's output"))
    }

    private func spawn(output: CInt) throws(LifeboatError) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // We block signals and ignore SIGPIPE; the command shall not.
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigaddset(&signals, SIGPIPE)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK) | Int16(POSIX_SPAWN_SETSIGDEF))
        let words = ["/bin/sh", "-c", command]
        let arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var child: pid_t = 0
        let number = posix_spawn(&child, "/bin/sh", &actions, &attributes, arguments, environ)
        guard number == 0 else { throw failure("cannot start it", number) }
        return child
    }

    private func read(
        _ descriptor: CInt, until end: Double, _ cancellation: Cancellation
    ) throws(LifeboatError) -> [UInt8] {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1024)
        while true {
            try check(end, cancellation)
            var wait = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&wait, 1, 100) > 0 else { continue }
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count == 0 { return bytes }
            if count < 0 {
                if errno == EINTR { continue }
                throw failure("cannot read what it prints", errno)
            }
            // What is longer than a password can be is read and dropped, so that it ends well.
            if bytes.count <= PasswordFile.limit + 2 { bytes += buffer[..<count] }
        }
    }

    private func wait(
        _ child: pid_t, until end: Double, _ cancellation: Cancellation
    ) throws(LifeboatError) -> CInt {
        var status: CInt = 0
        while true {
            let result = waitpid(child, &status, WNOHANG)
            if result == child { return status }
            if result < 0, errno != EINTR { throw failure("cannot wait for it", errno) }
            try check(end, cancellation)
            usleep(10_000)
        }
    }

    private func check(_ end: Double, _ cancellation: Cancellation) throws(LifeboatError) {
        try cancellation.check()
        if ProcessInfo.processInfo.systemUptime > end {
            throw failure("it took more than \(Int(deadlineSeconds)) seconds")
        }
    }

    private func failure(_ cause: String, _ number: CInt? = nil) -> LifeboatError {
        let words = number.map { ": " + String(cString: strerror($0)) } ?? ""
        return LifeboatError(
            .wrongKey, "the password command gave no password", cause: cause + words,
            advice: "run it alone and see what it prints: \(command)")
    }
}
