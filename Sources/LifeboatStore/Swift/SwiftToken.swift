internal import LifeboatSystem

/// What an identity service gave: a token, the account that it opens, and how long it is good.
struct SwiftGrant: Sendable {
    let token: SecretText
    let storageURL: String
    /// Seconds from the request on; `nil` where the service does not say.
    let lifetime: Double?
}

/// A grant in use.
struct SwiftToken: Sendable {
    /// Counts the tokens of a session, so that it is known which one a server refused.
    let number: Int
    let grant: SwiftGrant
    /// When it was asked for, by the monotonic clock.
    let start: Double

    /// When it ends.
    var end: Double { grant.lifetime.map { start + $0 } ?? .infinity }

    /// From when on a new one is due: a little before its end, for requests that take their time.
    var renewal: Double { end - min(120, (grant.lifetime ?? 0) / 4) }
}
