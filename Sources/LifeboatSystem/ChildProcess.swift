internal import CLinux
internal import Glibc
public import LifeboatCore

/// A program that this process started and that runs beside it.
///
/// Its standard input is empty unless given, what it writes is drained all the time and kept up to
/// a limit, and it never outlives this process unless it is detached. Safe from many threads.
public final class ChildProcess: Sendable {
    /// How a program is started.
    public struct Launch: Sendable {
        /// The program, looked for in `PATH` unless it has a slash, and its arguments.
        public var arguments: [String]
        /// Given to its standard input.
        public var input: [UInt8] = []
        /// Whether its standard input stays open for `write`, until this process ends.
        public var keepsInputOpen = false
        /// Its whole environment; this process's own when `nil`.
        public var environment: [String: String]?
        /// Whether it writes its standard error where this process does, so that nothing of it is
        /// kept.
        public var sharesErrorOutput = false
        /// Whether it leads a session of its own and goes on when this process ends.
        public var isDetached = false
        /// Bytes kept of each of its outputs: of standard output the first, of standard error the
        /// last ones.
        public var outputLimit = 1 << 20

        public init(_ arguments: [String]) { self.arguments = arguments }
    }

    /// How it ended.
    public enum Ending: Sendable, Hashable {
        case exited(Int32)
        case killed(signal: Int32)
    }

    /// What a program that has ended left.
    public struct Result: Sendable {
        public var ending: Ending
        public var output: [UInt8]
        public var errorOutput: [UInt8]

        public var isSuccess: Bool { ending == .exited(0) }
        /// Its last words, for an error's cause.
        public var lastWords: String {
            let text = String(decoding: errorOutput, as: UTF8.self)
            return text.split(separator: "\n").suffix(3).joined(separator: "; ")
        }
    }

    /// The program's name, for messages.
    public let name: String
    public let identifier: Int32

    private struct State {
        var ending: Ending?
        var output: [UInt8] = []
        var errorOutput: [UInt8] = []
        var drained = 0
        /// Its standard input, where that stays open.
        var input: Int32 = -1
    }

    private let condition = Condition()
    private let state: Guarded<State>

    /// Starts a program.
    ///
    /// - Throws: `.missing` when there is no such program.
    public init(_ launch: Launch) throws(LifeboatError) {
        let name = launch.arguments.first ?? ""
        self.name = name
        state = Guarded(State())
        guard let path = Self.find(name) else {
            throw LifeboatError(
                .missing, "there is no program \(name)", subject: name,
                advice: "install it, or put its folder on PATH")
        }
        let input = try Self.makePipe(name)
        let output: (read: Int32, write: Int32)
        // There may be no standard error to share.
        let isShared = launch.sharesErrorOutput && fcntl(STDERR_FILENO, F_GETFD) >= 0
        let error: (read: Int32, write: Int32)
        do throws(LifeboatError) {
            output = try Self.makePipe(name)
        } catch {
            Self.closeAll([input.read, input.write])
            throw error
        }
        do throws(LifeboatError) {
            error = isShared ? (-1, -1) : try Self.makePipe(name)
        } catch {
            Self.closeAll([input.read, input.write, output.read, output.write])
            throw error
        }
        let child = Spawner.spawn(
            path, launch, input: input.read, output: output.write,
            error: isShared ? STDERR_FILENO : error.write)
        Self.closeAll([input.read, output.write, error.write])
        guard child.identifier > 0 else {
            Self.closeAll([input.write, output.read, error.read])
            throw .system("cannot start \(name)", path: path, number: child.number)
        }
        identifier = child.identifier
        drain(output.read, limit: launch.outputLimit, keepsLast: false)
        if isShared {
            state.withLock { $0.drained += 1 }
        } else {
            drain(error.read, limit: launch.outputLimit, keepsLast: true)
        }
        if launch.keepsInputOpen {
            state.withLock { $0.input = input.write }
            write(launch.input)
        } else {
            Self.feed(launch.input, to: input.write)
        }
        let identifier = identifier
        _ = Threads.start(name: "wait") { [condition, state] in
            var status: Int32 = 0
            while waitpid(identifier, &status, 0) < 0, errno == EINTR {}
            // The low seven bits hold the signal, the next byte the exit code.
            let signal = status & 0x7F
            condition.withLock {
                state.withLock {
                    $0.ending =
                        signal == 0 ? .exited(status >> 8 & 0xFF) : .killed(signal: signal)
                }
                condition.broadcast()
            }
        }
    }

    /// Runs a program to its end, which must come in time.
    ///
    /// - Throws: `.unavailable` at the deadline, `.cancelled`; the program is killed then.
    public static func run(
        _ launch: Launch, timeoutSeconds: Double, cancellation: Cancellation? = nil
    ) throws(LifeboatError) -> Result {
        let child = try ChildProcess(launch)
        let deadline = Clock.monotonicSeconds() + timeoutSeconds
        while true {
            if let result = child.wait(seconds: 0.2) { return result }
            if cancellation?.isCancelled == true {
                child.kill()
                throw LifeboatError(.cancelled, "interrupted")
            }
            if Clock.monotonicSeconds() > deadline {
                child.kill()
                throw LifeboatError(
                    .unavailable, "\(child.name) did not end within \(timeoutSeconds) s",
                    subject: child.name)
            }
        }
    }

    deinit {
        let input = state.withLock { $0.input }
        if input >= 0 { close(input) }
    }

    public var isRunning: Bool { state.withLock { $0.ending == nil } }

    /// What it has written so far to standard error, for messages.
    public var lastWords: String {
        Result(ending: .exited(0), output: [], errorOutput: state.withLock { $0.errorOutput })
            .lastWords
    }

    /// Waits at most so long for its end; `nil` while it runs.
    ///
    /// What it wrote is whole, unless something that it started keeps its outputs open.
    public func wait(seconds: Double) -> Result? {
        let deadline = Clock.monotonicSeconds() + seconds
        return condition.withLock {
            while state.withLock({ $0.ending == nil }) {
                let left = deadline - Clock.monotonicSeconds()
                guard left > 0 else { return nil }
                _ = condition.wait(seconds: left)
            }
            // The pipes are at their ends soon, unless a grandchild holds them.
            let patience = Clock.monotonicSeconds() + 1
            while state.withLock({ $0.drained < 2 }) {
                let left = patience - Clock.monotonicSeconds()
                guard left > 0 else { break }
                _ = condition.wait(seconds: left)
            }
            return state.withLock { state in
                state.ending.map {
                    Result(ending: $0, output: state.output, errorOutput: state.errorOutput)
                }
            }
        }
    }

    /// Waits at most so long until it has written this line to standard output.
    public func waitForLine(_ line: String, seconds: Double) -> Bool {
        let deadline = Clock.monotonicSeconds() + seconds
        return condition.withLock {
            while true {
                let (output, hasEnded) = state.withLock { ($0.output, $0.drained == 2) }
                let lines = output.split(separator: 0x0A, omittingEmptySubsequences: false)
                if lines.dropLast().contains(where: { $0.elementsEqual(line.utf8) }) { return true }
                let left = deadline - Clock.monotonicSeconds()
                guard left > 0, !hasEnded else { return false }
                _ = condition.wait(seconds: left)
            }
        }
    }

    /// Writes to its standard input, where that stays open; short lines only.
    ///
    /// `false` where it does not listen any more.
    @discardableResult
    public func write(_ bytes: [UInt8]) -> Bool {
        state.withLock { state in
            state.input >= 0
                && bytes.withUnsafeBytes {
                    Glibc.write(state.input, $0.baseAddress, $0.count) == $0.count
                }
        }
    }

    /// Asks it to end, and kills it where it does not within so many seconds.
    @discardableResult
    public func stop(graceSeconds: Double = 5) -> Result? {
        send(SIGTERM)
        if let result = wait(seconds: graceSeconds) { return result }
        send(SIGKILL)
        return wait(seconds: 5)
    }

    public func kill() {
        send(SIGKILL)
        _ = wait(seconds: 5)
    }

    private func send(_ signal: Int32) {
        // Under the lock, so that the number is not another process's by now.
        condition.withLock {
            if state.withLock({ $0.ending == nil }) { Glibc.kill(identifier, signal) }
        }
    }

    // MARK: pipes

    private static func makePipe(
        _ name: String
    ) throws(LifeboatError) -> (read: Int32, write: Int32) {
        var ends: [Int32] = [-1, -1]
        guard lifeboat_pipe(&ends) == 0 else {
            throw .system("cannot make a pipe for \(name)", path: name, number: errno)
        }
        return (ends[0], ends[1])
    }

    private static func closeAll(_ descriptors: [Int32]) {
        for descriptor in descriptors where descriptor >= 0 { close(descriptor) }
    }

    private func drain(_ descriptor: Int32, limit: Int, keepsLast: Bool) {
        _ = Threads.start(name: "drain") { [condition, state] in
            var buffer = [UInt8](repeating: 0, count: 1 << 14)
            while true {
                let count = read(descriptor, &buffer, buffer.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { break }
                defer { condition.withLock { condition.broadcast() } }
                state.withLock { state in
                    if keepsLast {
                        state.errorOutput += buffer[0..<count]
                        if state.errorOutput.count > limit {
                            state.errorOutput.removeFirst(state.errorOutput.count - limit)
                        }
                    } else {
                        let room = max(0, limit - state.output.count)
                        state.output += buffer[0..<min(count, room)]
                    }
                }
            }
            close(descriptor)
            condition.withLock {
                state.withLock { $0.drained += 1 }
                condition.broadcast()
            }
        }
    }

    private static func feed(_ bytes: [UInt8], to descriptor: Int32) {
        guard !bytes.isEmpty else {
            close(descriptor)
            return
        }
        _ = Threads.start(name: "feed") {
            var done = 0
            while done < bytes.count {
                let count = bytes[done...].withUnsafeBytes {
                    Glibc.write(descriptor, $0.baseAddress, $0.count)
                }
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { break }
                done += count
            }
            close(descriptor)
        }
    }

    // MARK: finding

    /// The path of a program, by `PATH` and the folders of administrators' programs.
    public static func find(_ name: String) -> String? {
        guard !name.isEmpty else { return nil }
        if name.contains("/") { return access(name, X_OK) == 0 ? name : nil }
        let folders =
            (Files.environment("PATH") ?? "/usr/local/bin:/usr/bin:/bin").split(separator: ":")
            .map(String.init) + ["/usr/local/sbin", "/usr/sbin", "/sbin"]
        return folders.map { $0 + "/" + name }
            .first { access($0, X_OK) == 0 && !Files.isDirectory($0) }
    }
}

/// Starts programs from one thread that never ends, since the kernel ties "dies with its parent"
/// to the thread that started it.
private enum Spawner {
    private struct Order: Sendable {
        let path: String
        let launch: ChildProcess.Launch
        let descriptors: [Int32]
        let reply: @Sendable (Int32, Int32) -> Void
    }

    private static let orders: BoundedQueue<Order> = {
        let queue = BoundedQueue<Order>(capacity: 16)
        _ = Threads.start(name: "spawn") {
            while let order = queue.pop() { start(order) }
        }
        return queue
    }()

    /// The process and 0, or -1 and the error's number.
    static func spawn(
        _ path: String, _ launch: ChildProcess.Launch, input: Int32, output: Int32, error: Int32
    ) -> (identifier: Int32, number: Int32) {
        let condition = Condition()
        let answer = Guarded<(Int32, Int32)?>(nil)
        _ = orders.push(
            Order(path: path, launch: launch, descriptors: [input, output, error]) {
                child, number in
                condition.withLock {
                    answer.withLock { $0 = (child, number) }
                    condition.broadcast()
                }
            })
        return condition.withLock {
            while true {
                if let answer = answer.withLock({ $0 }) { return answer }
                condition.wait()
            }
        }
    }

    private static func start(_ order: Order) {
        var arguments: [UnsafeMutablePointer<CChar>?] = order.launch.arguments.map { strdup($0) }
        arguments.append(nil)
        defer { for argument in arguments { free(argument) } }
        let own: [UnsafeMutablePointer<CChar>?]? = order.launch.environment.map { variables in
            variables.sorted { $0.key < $1.key }.map { strdup("\($0.key)=\($0.value)") } + [nil]
        }
        defer { for variable in own ?? [] { free(variable) } }
        func spawn(_ environment: UnsafePointer<UnsafeMutablePointer<CChar>?>?) -> Int32 {
            lifeboat_spawn(
                order.path, arguments, environment, order.descriptors[0], order.descriptors[1],
                order.descriptors[2], order.launch.isDetached ? 1 : 0,
                order.launch.isDetached ? 0 : 1)
        }
        let child =
            own.map { $0.withUnsafeBufferPointer { spawn($0.baseAddress) } } ?? spawn(environ)
        order.reply(child, child < 0 ? errno : 0)
    }
}
