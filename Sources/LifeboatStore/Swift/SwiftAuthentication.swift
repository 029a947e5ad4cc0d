internal import LifeboatCore

/// Gets tokens: from Keystone, from Swift's own authentication, or none but the one that is given.
struct SwiftAuthentication: Sendable {
    let credentials: SwiftCredentials
    let transport: any HTTPTransport

    /// A catalog of a large cloud has some hundred kilobytes.
    private static let replyLimit = 8 << 20

    /// Asks for a token.
    func grant() throws(LifeboatError) -> SwiftGrant {
        switch credentials.identity {
        case .token(let token):
            return try checked(token, storageURL: credentials.storageURL, lifetime: nil)
        case .legacy(let user, let key): return try legacy(user, key)
        case .keystone(let identity): return try keystone(identity)
        }
    }

    private func keystone(_ identity: KeystoneIdentity) throws(LifeboatError) -> SwiftGrant {
        let address = credentials.authURL + "/auth/tokens"
        let response = try KeystoneRequest.body(identity).withBytes {
            bytes throws(LifeboatError) in
            try perform(body: [bytes]) {
                HTTPRequest(
                    .post, address,
                    headers: [
                        ("Content-Type", "application/json"), ("Accept", "application/json"),
                    ])
            }
        }
        guard response.status == 201 || response.status == 200 else {
            throw refusal(response, identity.text)
        }
        guard let token = response.header("X-Subject-Token"),
            let reply = KeystoneReply(response.body)
        else { throw noIdentityService() }
        let url =
            if let url = credentials.storageURL { url } else {
                try reply.storageURL(
                    interface: credentials.interface, region: credentials.region)
            }
        return try checked(SecretText(token), storageURL: url, lifetime: reply.lifetime)
    }

    private func legacy(_ user: String, _ key: SecretText) throws(LifeboatError) -> SwiftGrant {
        let response = try perform(body: []) {
            HTTPRequest(
                .get, credentials.authURL,
                headers: [("X-Auth-User", user), ("X-Auth-Key", key.text)])
        }
        // Ceph's gateway answers 204.
        guard (200..<300).contains(response.status) else {
            throw refusal(response, "user \(user)")
        }
        guard let token = response.header("X-Auth-Token") ?? response.header("X-Storage-Token")
        else { throw noIdentityService() }
        return try checked(
            SecretText(token),
            storageURL: credentials.storageURL ?? response.header("X-Storage-Url"),
            lifetime: response.header("X-Auth-Token-Expires").flatMap(Double.init))
    }

    private func perform(
        body: [UnsafeRawBufferPointer], prepare: () -> HTTPRequest
    ) throws(LifeboatError) -> HTTPResponse {
        try transport.perform(
            subject: "identity service", body: body, target: nil, limit: Self.replyLimit,
            isWorthRetrying: HTTPClient.isTransient
        ) { _ in prepare() }.response
    }

    private func checked(
        _ token: SecretText, storageURL: String?, lifetime: Double?
    ) throws(LifeboatError) -> SwiftGrant {
        guard let url = storageURL, url.hasPrefix("http://") || url.hasPrefix("https://") else {
            throw LifeboatError(
                .missing, "the identity service does not say where the object store is",
                subject: credentials.source, advice: "set OS_STORAGE_URL")
        }
        // Whoever sees the token can delete the backups.
        if credentials.storageURL == nil, credentials.authURL.hasPrefix("https://"),
            url.hasPrefix("http://")
        {
            throw LifeboatError(
                .refused, "the object store's address \(HTTPPlace.of(url)) is not encrypted",
                subject: credentials.source,
                advice: "set OS_STORAGE_URL to its https address, or to this one to use it all"
                    + " the same")
        }
        return SwiftGrant(
            token: token, storageURL: url.hasSuffix("/") ? String(url.dropLast()) : url,
            lifetime: lifetime.flatMap { $0 > 0 ? $0 : nil })
    }

    private func refusal(_ response: HTTPResponse, _ who: String) -> LifeboatError {
        let place = HTTPPlace.of(credentials.authURL)
        let cause = SwiftRefusal.cause(response)
        switch response.status {
        case 401, 403:
            let advice =
                if case .keystone(.applicationCredential) = credentials.identity {
                    "it may have expired, or been deleted with its user: make a new one"
                } else { "check user, password, project and domains" }
            return LifeboatError(
                .denied, "\(place) refuses \(who)", subject: credentials.source, cause: cause,
                advice: advice)
        case 300..<400, 404, 405, 410: return noIdentityService(cause)
        default:
            return LifeboatError(
                .unavailable, "\(place) gives no token", subject: credentials.source,
                cause: cause, advice: "try again later")
        }
    }

    private func noIdentityService(_ cause: String? = nil) -> LifeboatError {
        let kind =
            if case .keystone = credentials.identity { "Keystone with version 3" } else {
                "Swift's own authentication"
            }
        return LifeboatError(
            .missing, "there is no \(kind) at \(credentials.authURL)",
            subject: credentials.source, cause: cause,
            advice: "check OS_AUTH_URL, OS_AUTH_TYPE or ST_AUTH")
    }
}
