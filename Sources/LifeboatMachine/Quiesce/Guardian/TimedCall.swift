import LifeboatCore
import LifeboatSystem

/// A call that is given up at its deadline, whatever it does.
enum TimedCall {
    /// What goes on after its deadline goes on alone; its result is dropped.
    static func run<Value: Sendable>(
        seconds: Double, _ body: @escaping @Sendable () throws(LifeboatError) -> Value
    ) throws(LifeboatError) -> Value {
        let condition = Condition()
        let result = Guarded<Result<Value, LifeboatError>?>(nil)
        _ = Threads.start(name: "call") {
            let value: Result<Value, LifeboatError>
            do throws(LifeboatError) { value = .success(try body()) } catch {
                value = .failure(error)
            }
            condition.withLock {
                result.withLock { $0 = value }
                condition.broadcast()
            }
        }
        let deadline = Deadline(seconds: seconds)
        let value = condition.withLock {
            while result.withLock({ $0 == nil }), !deadline.hasPassed {
                _ = condition.wait(seconds: deadline.seconds)
            }
            return result.withLock { $0 }
        }
        guard let value else {
            throw LifeboatError(.unavailable, "there was no answer within \(seconds) s")
        }
        return try value.get()
    }
}
