public import LifeboatCore
internal import LifeboatSystem

extension ObjectStore {
    /// Does `body` for each number below `count`, several at once where each waits for a network;
    /// the results in the order of the numbers.
    public func inParallel<Value: Sendable>(
        _ count: Int, name: String,
        _ body: @escaping @Sendable (Int) throws(LifeboatError) -> Value
    ) -> [Result<Value, LifeboatError>] {
        let results = Guarded([Result<Value, LifeboatError>?](repeating: nil, count: count))
        let next = Guarded(0)
        let work: @Sendable (Int) -> Void = { _ in
            while true {
                let number = next.withLock { number in
                    defer { number += 1 }
                    return number
                }
                guard number < count else { return }
                let result = Result { () throws(LifeboatError) in try body(number) }
                results.withLock { $0[number] = result }
            }
        }
        let threads = min(parallelRequests, count)
        if threads > 1 { Threads.run(count: threads, name: name, work) } else { work(0) }
        return results.withLock { $0.compactMap(\.self) }
    }
}
