internal import FoundationEssentials
public import LifeboatCore

extension S3Store {
    public func put(
        _ name: ObjectName, _ pieces: [UnsafeRawBufferPointer]
    ) throws(LifeboatError) {
        try put(name, pieces, digest: nil)
    }

    public func put(
        _ name: ObjectName, _ pieces: [UnsafeRawBufferPointer], contentDigest: Digest
    ) throws(LifeboatError) {
        try put(name, pieces, digest: contentDigest)
    }

    /// A put on its way, and what tells its object from others.
    private struct Upload {
        var name: ObjectName
        var size: UInt64
        let token = Identifier.random().hex
        /// Only where the store does not compare the SHA-256.
        var md5: String?
        /// Others may put a version of their own at the same time.
        var mustBeFirst: Bool
    }

    private func put(
        _ name: ObjectName, _ pieces: [UnsafeRawBufferPointer], digest: Digest?
    ) throws(LifeboatError) {
        let capabilities = try knownCapabilities()
        let size = UInt64(pieces.reduce(0) { $0 + $1.count })
        if let limit = capabilities.maximumObjectBytes, size > limit {
            throw LifeboatError(
                .refused, "the store takes no objects of \(size) bytes", subject: name.path)
        }
        let isVersioned = try locksObjects()
        let lockEnd = try lockEndOfPut(name.path)
        // A condition does not see what somebody deleted.
        if !capabilities.conditionalPut || isVersioned, try look(name.path) != nil {
            throw taken(name)
        }
        // With a lock S3 wants the sum whatever else it compares.
        let upload = Upload(
            name: name, size: size,
            md5: capabilities.payloadCheck == .sha256 && lockEnd == nil
                ? nil : MD5Hash.hex(pieces), mustBeFirst: isVersioned)
        var request = Request(.put, name.path)
        request.body = pieces
        request.digest = digest
        request.headers = [(name: Self.tokenHeader, value: upload.token)]
        if capabilities.conditionalPut {
            request.headers.append((name: "If-None-Match", value: "*"))
        }
        if let lockEnd { request.headers += Self.lockHeaders(until: lockEnd) }
        if let md5 = upload.md5.flatMap({ Hex.decode($0) }) {
            request.headers.append(
                (name: "Content-MD5", value: Data(md5).base64EncodedString()))
        }
        try finish(upload, request, capabilities)
        if let lockEnd { try proveLock(name, until: lockEnd) }
    }

    private func finish(
        _ upload: Upload, _ request: Request, _ capabilities: StoreCapabilities
    ) throws(LifeboatError) {
        let response: HTTPResponse
        do throws(LifeboatError) {
            response = try send(request, isWorthRetrying: Self.isWorthPuttingAgain).response
        } catch {
            // The reply may be what was lost.
            guard error.code == .unavailable, isThere(upload) else { throw error }
            return
        }
        try settle(upload, response, capabilities)
    }

    /// Makes of what a store answers whether the object is there, and whose it is.
    private func settle(
        _ upload: Upload, _ response: HTTPResponse, _ capabilities: StoreCapabilities
    ) throws(LifeboatError) {
        switch response.status {
        case 200..<300:
            if capabilities.payloadCheck == .none { try compare(upload, response) }
            // Without conditions another writer may just have replaced it.
            if !capabilities.conditionalPut || upload.mustBeFirst { try confirm(upload) }
        case 409, 412: try confirm(upload)
        case 500...:
            guard isThere(upload) else { throw error(response, upload.name.path) }
        default: throw error(response, upload.name.path)
        }
    }

    /// `.exists` unless the object is this put's own: a put whose reply was lost is done again, and
    /// then finds itself.
    private func confirm(_ upload: Upload) throws(LifeboatError) {
        guard let found = try look(upload.name.path) else {
            throw LifeboatError(
                .unavailable, "\(upload.name) was there and is gone", subject: upload.name.path,
                advice: "try again")
        }
        guard found.token == upload.token else { throw taken(upload.name) }
        guard found.size == upload.size else { throw differs(upload) }
    }

    private func isThere(_ upload: Upload) -> Bool {
        guard let found = try? look(upload.name.path) else { return false }
        return found.token == upload.token && found.size == upload.size
    }

    /// Compares the MD5 that the store tells, where nothing else was compared.
    private func compare(
        _ upload: Upload, _ response: HTTPResponse
    ) throws(LifeboatError) {
        guard let md5 = upload.md5,
            let found = response.header("ETag")?.replacing("\"", with: "").lowercased(),
            found.utf8.count == md5.utf8.count, Hex.decode(found) != nil, found != md5
        else { return }
        throw differs(upload)
    }

    private func taken(_ name: ObjectName) -> LifeboatError {
        LifeboatError(.exists, "\(name) exists already in \(location)", subject: name.path)
    }

    private func differs(_ upload: Upload) -> LifeboatError {
        LifeboatError(
            .damaged, "the store holds other bytes under \(upload.name) than were sent",
            subject: upload.name.path, advice: "check the way to the store")
    }

    /// Besides what is always worth it: bytes that were damaged on the way, and writers that were
    /// in each other's way.
    private static func isWorthPuttingAgain(_ response: HTTPResponse) -> Bool {
        switch response.status {
        case 409: true
        case 400:
            [
                "RequestTimeout", "BadDigest", "XAmzContentSHA256Mismatch", "IncompleteBody",
            ].contains(RefusalAnswer(response).code)
        default: HTTPClient.isTransient(response)
        }
    }
}
