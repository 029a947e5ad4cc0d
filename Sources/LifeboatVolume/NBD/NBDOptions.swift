/// How an NBD export is spoken to.
public struct NBDOptions: Sendable {
    /// What to call the export in messages; its URI when `nil`.
    public var name: String?
    /// Connections at most; `nil` for four where the server allows several, else one.
    public var connections: Int?
    /// A request that makes no progress for so long has failed.
    public var timeoutSeconds = 60.0
    /// How often a lost connection to a read-only export is made anew within one request.
    public var reconnects = 1
    /// A metadata context that tells what has changed, such as `qemu:dirty-bitmap:NAME`.
    public var dirtyContext: String?
    /// Whether nothing changes the export while it is read, as its caller knows.
    public var isFrozen = false
    /// A directory with `ca-cert.pem` and, where the server asks for them, `client-cert.pem` and
    /// `client-key.pem`, for `nbds:` URIs; the URI's `tls-certificates` wins.
    public var tlsCertificates: String?
    /// A file of keys that both sides share, for `nbds:` URIs; the URI's `tls-psk-file` wins.
    public var tlsKeyFile: String?

    public init() {}
}
