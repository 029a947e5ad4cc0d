public import LifeboatCore

extension SwiftStore {
    /// Whose object stands under a name.
    private enum Standing {
        case ours, anothers, nobodys
    }

    public func put(
        _ name: ObjectName, _ pieces: [UnsafeRawBufferPointer]
    ) throws(LifeboatError) {
        guard try head(name).status == 404 else { throw taken(name) }
        let token = Identifier.random().hex
        let digest = MD5Hash.hex(pieces)
        var headers = [
            ("Content-Type", "application/octet-stream"), (Self.tokenHeader, token),
            // Who comes late is refused; who comes at the same time is not.
            ("If-None-Match", "*"),
        ]
        if let digest { headers.append(("ETag", digest)) }
        let (response, isAmbiguous) = try connection.send(
            .put, resource(name), subject: name.path, headers: headers, body: pieces,
            isWorthRetrying: { HTTPClient.isTransient($0) || $0.status == 422 })
        switch response.status {
        case 200..<300: break
        // Our own, perhaps, of an attempt whose answer was lost.
        case 409, 412: break
        case 404: throw noContainer(response)
        default:
            // What failed last may have worked before.
            guard isAmbiguous, try standing(name, token, digest) == .ours else {
                throw error(response, name.path)
            }
            return
        }
        switch try standing(name, token, digest) {
        case .ours: return
        case .anothers: throw taken(name)
        case .nobodys:
            throw LifeboatError(
                .unavailable, "\(name) was stored, and is not there", subject: name.path,
                advice: "try again")
        }
    }

    /// Looks at all copies: one may be older than what is just stored.
    private func standing(
        _ name: ObjectName, _ token: String, _ digest: String?
    ) throws(LifeboatError) -> Standing {
        let response = try head(name, newest: true)
        if response.status == 404 { return .nobodys }
        guard response.header(Self.tokenHeader) == token else { return .anothers }
        let stored = response.header("ETag").map { String($0.filter { $0 != "\"" }).lowercased() }
        guard let digest, let stored, stored != digest else { return .ours }
        // A store that did not compare it. Nobody may find it.
        try delete(name)
        throw LifeboatError(
            .unavailable, "what arrived was damaged on the way", subject: name.path,
            advice: "check the network, then try again")
    }

    private func taken(_ name: ObjectName) -> LifeboatError {
        LifeboatError(.exists, "\(name) exists already", subject: name.path)
    }
}
