public import LifeboatCore

extension SwiftStore {
    /// A few hundred keep each request well below the time after which proxies give up.
    private static let bulkCount = 500

    public func delete(_ name: ObjectName) throws(LifeboatError) {
        let response = try connection.send(.delete, resource(name), subject: name.path).response
        guard response.status == 404 || (200..<300).contains(response.status) else {
            throw error(response, name.path)
        }
    }

    /// Deletes many objects, by few requests where the server has bulk deletion.
    public func delete(_ names: [ObjectName]) throws(LifeboatError) {
        guard names.count > 1, let limit = try bulkLimit() else {
            for name in names { try delete(name) }
            return
        }
        let count = max(1, min(limit, Self.bulkCount))
        for start in stride(from: 0, to: names.count, by: count) {
            let part = names[start..<min(start + count, names.count)]
            if try !deleteInBulk(part) {
                // One after the other tells what is wrong with which.
                for name in part { try delete(name) }
            }
        }
    }

    /// `false` if that may not have deleted all.
    private func deleteInBulk(_ names: ArraySlice<ObjectName>) throws(LifeboatError) -> Bool {
        let text = names.map { path(key($0.path)) + "\n" }.joined()
        let response = try Array(text.utf8).withBytes { bytes throws(LifeboatError) in
            try connection.send(
                .post, .init(path: "", query: [("bulk-delete", nil)]), subject: location,
                headers: [("Content-Type", "text/plain"), ("Accept", "application/json")],
                body: [bytes], limit: 8 << 20
            ).response
        }
        guard response.status == 200, let answer = SwiftBulkAnswer(response.body) else {
            return false
        }
        return answer.isComplete(names.count)
    }

    /// A day: no probe takes as long.
    private static var probeLifetime: UInt64 { 86_400_000 }

    /// Removes what probes that died have left.
    public func cleanTemporaries() throws(LifeboatError) -> Int {
        var left: [ObjectName] = []
        try list(ProbeFolder.prefix) { name, _ throws(LifeboatError) in
            if let age = ProbeFolder.age(of: name), age > Self.probeLifetime { left.append(name) }
        }
        try delete(left)
        return left.count
    }
}
