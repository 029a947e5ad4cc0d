public import LifeboatCore

extension ObjectStore {
    /// Does `body`, which reads an object and checks it; once more where what came is wrong.
    ///
    /// Behind a network a bit may change on its way, and the store be none the worse for it. What
    /// is wrong twice counts as wrong in the store.
    public func rereading<Value>(
        _ name: ObjectName, _ body: () throws(LifeboatError) -> Value
    ) throws(LifeboatError) -> Value {
        do throws(LifeboatError) {
            return try body()
        } catch {
            guard parallelRequests > 1, Self.mayBeTheWay(error) else { throw error }
            forget(name)
            return try body()
        }
    }

    /// Gets an object and makes something of it, as `rereading` does.
    public func get<Value>(
        _ name: ObjectName, limit: Int,
        opening body: ([UInt8]) throws(LifeboatError) -> Value
    ) throws(LifeboatError) -> Value {
        try rereading(name) { () throws(LifeboatError) in try body(try get(name, limit: limit)) }
    }

    /// Gets an object that nothing vouches for: what two readings in a row agree on.
    ///
    /// - Throws: `.unavailable` when each reading brings other bytes.
    public func getAgreed(_ name: ObjectName, limit: Int) throws(LifeboatError) -> [UInt8] {
        var last: [UInt8]?
        for _ in 0..<4 {
            forget(name)
            let bytes = try get(name, limit: limit)
            if bytes == last { return bytes }
            last = bytes
        }
        throw LifeboatError(
            .unavailable, "each reading of \(name) brings other bytes", subject: name.path,
            advice: "check the network and this host's memory")
    }

    private static func mayBeTheWay(_ error: LifeboatError) -> Bool {
        switch error.code {
        // A changed bit can also look like a newer version.
        case .damaged, .unsupported: true
        default: false
        }
    }
}
