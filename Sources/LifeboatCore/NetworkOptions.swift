/// How a process may use the network for stores.
public struct NetworkOptions: Sendable {
    /// What all connections of the process may send, together.
    public var uploadLimit = TrafficRate.unlimited
    /// What all connections of the process may receive, together.
    public var downloadLimit = TrafficRate.unlimited
    /// The address to connect from; not together with `interface`.
    public var sourceAddress: String?
    /// The network interface to connect through.
    public var interface: String?
    /// Where the links may be described; the first file that exists counts.
    public var linkFiles: [String] = []
    /// Whether it is an error if none of the files exists.
    public var needsLinkFile = false
    /// Where suspensions and limits that commands set are remembered; `nil` for none.
    public var stateDirectory: String?
    /// Counts the wishes that the links be read again at once.
    public var rereading = Rereading()
    /// Hears what is wrong with the links while the process runs.
    public var events: any EventSink = SilentSink()

    public init() {}

    /// Whether limits, an address or an interface were asked for this process.
    public var isRestricted: Bool {
        uploadLimit != .unlimited || downloadLimit != .unlimited || sourceAddress != nil
            || interface != nil
    }
}
