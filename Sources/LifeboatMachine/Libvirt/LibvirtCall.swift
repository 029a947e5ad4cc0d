internal import CLibvirt
internal import Glibc
internal import LifeboatCore
internal import LifeboatSystem

/// Calls of libvirt's C library, each with a deadline.
///
/// Many of them can block for ever: the daemon waits 30 seconds for a domain's lock, and for a
/// guest's agent without end. So each runs on a thread of its own, which is left to itself when the
/// deadline has passed; what it then still brings is freed.
enum LibvirtCall {
    static let defaultSeconds = 40.0

    /// Runs `body`, which returns `nil` where libvirt says that it failed.
    static func run<T: Sendable>(
        _ what: String, _ subject: String, within seconds: Double = defaultSeconds,
        _ body: @escaping @Sendable () -> T?
    ) throws(LifeboatError) -> T {
        let condition = Condition()
        let answer = Guarded<Result<T, LifeboatError>?>(nil)
        _ = Threads.start(name: "libvirt") {
            // The library keeps its last error per thread.
            virResetLastError()
            let result: Result<T, LifeboatError> =
                body().map { .success($0) } ?? .failure(LibvirtFailure.last(what, subject))
            condition.withLock {
                answer.withLock { $0 = result }
                condition.broadcast()
            }
        }
        let deadline = Clock.monotonicSeconds() + seconds
        let result: Result<T, LifeboatError>? = condition.withLock {
            while true {
                if let result = answer.withLock({ $0 }) { return result }
                let left = deadline - Clock.monotonicSeconds()
                guard left > 0 else { return nil }
                _ = condition.wait(seconds: left)
            }
        }
        guard let result else {
            throw LifeboatError(
                .unavailable, "\(what): libvirt did not answer within \(seconds) s",
                subject: subject)
        }
        return try result.get()
    }

    /// The same for calls that return a number, negative where they failed.
    @discardableResult
    static func number(
        _ what: String, _ subject: String, within seconds: Double = defaultSeconds,
        _ body: @escaping @Sendable () -> Int32
    ) throws(LifeboatError) -> Int {
        try run(what, subject, within: seconds) {
            let result = body()
            return result < 0 ? nil : Int(result)
        }
    }

    /// The same for calls that return a text to be freed.
    static func text(
        _ what: String, _ subject: String, within seconds: Double = defaultSeconds,
        _ body: @escaping @Sendable () -> UnsafeMutablePointer<CChar>?
    ) throws(LifeboatError) -> String {
        try run(what, subject, within: seconds) { take(body()) }
    }

    /// Copies a text of the library's and frees it.
    static func take(_ text: UnsafeMutablePointer<CChar>?) -> String? {
        guard let text else { return nil }
        defer { free(text) }
        return String(cString: text)
    }

    /// Takes over a list of objects that the library made.
    static func take(
        _ count: Int32, _ list: UnsafeMutablePointer<OpaquePointer?>?,
        free release: @escaping @Sendable (OpaquePointer) -> Void
    ) -> [LibvirtHandle]? {
        guard count >= 0 else { return nil }
        defer { free(list) }
        return (0..<Int(count)).compactMap { index in
            list?[index].map { LibvirtHandle($0, free: release) }
        }
    }
}

/// One of the library's objects, freed with the last reference to it.
final class LibvirtHandle: @unchecked Sendable {
    let pointer: OpaquePointer
    private let release: @Sendable (OpaquePointer) -> Void

    init(_ pointer: OpaquePointer, free release: @escaping @Sendable (OpaquePointer) -> Void) {
        self.pointer = pointer
        self.release = release
    }

    deinit { release(pointer) }
}
