internal import FoundationEssentials
public import LifeboatCore

extension S3Store {
    /// Fewer than S3 allows: some services take a fiftieth of a second for each.
    private static let batchCount = 500

    public func delete(_ name: ObjectName) throws(LifeboatError) {
        guard let end = try deleteUnlessLocked(name) else { return }
        throw LifeboatError(
            .denied, "\(name) is locked until \(DateText.second(end))", subject: name.path,
            advice: "nobody can delete it before")
    }

    /// Where nothing is locked.
    func deletePlain(_ name: ObjectName) throws(LifeboatError) {
        let (response, _) = try send(.init(.delete, name.path))
        switch response.status {
        case 200..<300: return
        case 404 where !S3Refusal.isMissingBucket(response): return
        default: throw error(response, name.path)
        }
    }

    public func delete(_ names: [ObjectName]) throws(LifeboatError) {
        if try locksObjects() { return try deleteVersions(names) }
        var rest = names[...]
        while !rest.isEmpty {
            let batch = rest.prefix(Self.batchCount)
            if batch.count == 1 || isWithoutBulkDeletion {
                for name in batch { try delete(name) }
            } else {
                try deleteBatch(Array(batch))
            }
            rest = rest.dropFirst(batch.count)
        }
    }

    /// All that can be deleted; then tells of the first that could not.
    private func deleteVersions(_ names: [ObjectName]) throws(LifeboatError) {
        var fault: LifeboatError?
        for name in names {
            do throws(LifeboatError) {
                try delete(name)
            } catch {
                guard error.code == .denied else { throw error }
                fault = fault ?? error
            }
        }
        if let fault { throw fault }
    }

    private func deleteBatch(_ names: [ObjectName]) throws(LifeboatError) {
        let question = DeletionAnswer.question(names.map { endpoint.key($0.path) })
        let response = try question.withBytes { bytes throws(LifeboatError) in
            var request = Request(.post)
            request.query = [(name: "delete", value: "")]
            request.headers = [(name: "Content-Type", value: "application/xml")]
            if let md5 = MD5Hash.hex([bytes]).flatMap({ Hex.decode($0) }) {
                request.headers.append(
                    (name: "Content-MD5", value: Data(md5).base64EncodedString()))
            }
            request.body = [bytes]
            return try send(request, limit: 4 << 20).response
        }
        guard response.status == 200 else {
            let refusal = error(response, nil)
            guard refusal.code == .unsupported else { throw refusal }
            rememberNoBulkDeletion()
            for name in names { try delete(name) }
            return
        }
        guard let answer = DeletionAnswer(response.body) else {
            throw LifeboatError(
                .unavailable, "the store's answer to a deletion cannot be understood",
                subject: location)
        }
        if let first = answer.failures.first {
            throw S3Refusal(endpoint: endpoint).error(
                first, count: answer.failures.count,
                subject: String(first.key.dropFirst(endpoint.key("").count)))
        }
    }

    /// A day: no probe takes as long.
    private static let probeLifetime: UInt64 = 86_400_000

    /// Removes what probes that died have left.
    public func cleanTemporaries() throws(LifeboatError) -> Int {
        var left: [ObjectName] = []
        try list(ProbeFolder.prefix) { name, _ throws(LifeboatError) in
            if ProbeFolder.age(of: name).map({ $0 > Self.probeLifetime }) == true {
                left.append(name)
            }
        }
        try delete(left)
        return left.count
    }
}
