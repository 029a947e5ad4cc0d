public import LifeboatCore

extension S3Store {
    /// Room for a refusal's words.
    private static let refusalBytes = 1 << 16
    /// More than any object has that is read in parts.
    private static let wholeLimit = 1 << 31

    public func get(_ name: ObjectName, limit: Int) throws(LifeboatError) -> [UInt8] {
        let response = try sendRead(
            .init(.get, name.path), name.path, limit: max(limit, Self.refusalBytes))
        guard response.status == 200 else { throw error(response, name.path) }
        guard response.body.count <= limit else {
            throw LifeboatError(
                .damaged, "\(name) is larger than the \(limit) bytes it may have",
                subject: name.path)
        }
        return response.body
    }

    public func size(_ name: ObjectName) throws(LifeboatError) -> UInt64? {
        if try locksObjects() { return try firstVersion(name.path)?.size }
        return try look(name.path)?.size
    }

    public func readBeginning(
        _ name: ObjectName, into target: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) -> (count: Int, size: UInt64)? {
        var size: UInt64?
        do throws(LifeboatError) {
            let count = try read(name, at: 0, into: target, size: &size)
            if let size { return (count, size) }
            return try self.size(name).map { (count, $0) }
        } catch {
            guard error.code == .missing else { throw error }
            return nil
        }
    }

    public func read(
        _ name: ObjectName, at offset: UInt64, into target: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) -> Int {
        var size: UInt64?
        return try read(name, at: offset, into: target, size: &size)
    }

    /// `size`: the whole object's, where the answer tells it.
    private func read(
        _ name: ObjectName, at offset: UInt64, into target: UnsafeMutableRawBufferPointer,
        size: inout UInt64?
    ) throws(LifeboatError) -> Int {
        guard !target.isEmpty else {
            if try look(name.path) != nil { return 0 }
            throw LifeboatError(.missing, "\(name) is not there", subject: name.path)
        }
        guard capabilities.rangeReads, offset <= UInt64(Int64.max) - UInt64(target.count) else {
            return try readWhole(name, at: offset, into: target)
        }
        var request = Request(.get, name.path)
        let end = offset + UInt64(target.count)
        request.headers = [(name: "Range", value: "bytes=\(offset)-\(end - 1)")]
        let response: HTTPResponse
        do throws(LifeboatError) {
            response = try sendRead(
                request, name.path, target: target, limit: Self.refusalBytes)
        } catch {
            // More than was asked for: the whole object comes.
            guard error.code == .damaged else { throw error }
            return try readWhole(name, at: offset, into: target)
        }
        switch response.status {
        case 200, 206: break
        case 416: return 0
        default: throw error(response, name.path)
        }
        guard let text = response.header("Content-Range") else {
            guard response.status == 200 else { throw wrongPart(name) }
            size = UInt64(response.receivedCount)
            return Self.shift(target, by: offset, count: response.receivedCount)
        }
        guard let range = ContentRange(text), range.first == offset,
            range.first + UInt64(response.receivedCount) == min(end, range.total ?? end)
        else { throw wrongPart(name) }
        size = range.total
        return response.receivedCount
    }

    private func wrongPart(_ name: ObjectName) -> LifeboatError {
        LifeboatError(
            .unavailable, "the store sends another part of \(name) than was asked for",
            subject: name.path)
    }

    private func readWhole(
        _ name: ObjectName, at offset: UInt64, into target: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) -> Int {
        let bytes = try get(name, limit: Self.wholeLimit)
        let part = bytes.dropFirst(Int(clamping: offset)).prefix(target.count)
        target.copyBytes(from: part)
        return part.count
    }

    /// Leaves of `count` bytes those from `offset` on, at the beginning.
    private static func shift(
        _ target: UnsafeMutableRawBufferPointer, by offset: UInt64, count: Int
    ) -> Int {
        let skipped = min(count, Int(clamping: offset))
        let left = UnsafeRawBufferPointer(rebasing: target[skipped..<count])
        if skipped > 0 { target.copyMemory(from: left) }
        return left.count
    }

    /// What a store tells of an object without its bytes.
    struct Look {
        var size: UInt64
        /// The token of the put that made it.
        var token: String?
    }

    func look(_ path: String) throws(LifeboatError) -> Look? {
        var request = Request(.head, path)
        if try locksObjects() {
            forgetVersions(path)
            guard let first = try firstVersion(path) else { return nil }
            request.query = [(name: "versionId", value: first.id)]
        }
        let (response, _) = try send(request)
        if response.status == 404 { return nil }
        guard response.status == 200, let text = response.header("Content-Length"),
            let size = UInt64(text)
        else { throw error(response, path) }
        return Look(size: size, token: response.header(Self.tokenHeader))
    }
}

/// The header `Content-Range`, such as `bytes 0-9/100`.
struct ContentRange: Equatable {
    var first: UInt64
    var last: UInt64
    /// `nil` where it is not known.
    var total: UInt64?

    init?(_ text: String) {
        let words = text.split(separator: " ")
        guard words.count == 2, words[0].lowercased() == "bytes" else { return nil }
        let parts = words[1].split(separator: "/")
        let ends = parts[0].split(separator: "-")
        guard parts.count == 2, ends.count == 2, let first = UInt64(ends[0]),
            let last = UInt64(ends[1]), first <= last
        else { return nil }
        self.first = first
        self.last = last
        if parts[1] != "*" {
            guard let total = UInt64(parts[1]), last < total else { return nil }
            self.total = total
        }
    }
}
