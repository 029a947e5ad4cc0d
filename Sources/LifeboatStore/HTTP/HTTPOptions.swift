internal import LifeboatCore
internal import LifeboatSystem

/// How a client connects, how long it waits, and how often it tries.
struct HTTPOptions: Sendable {
    var deadlines = HTTPDeadlines()
    var retries = RetryPolicy()
    /// How many requests may be in flight.
    var parallel = ParallelLimit.Bounds()
    /// Certificates in PEM form of the authorities to trust; `nil` for the system's.
    var authorityFile: String?
    /// The address to connect from; not together with `interface`.
    var sourceAddress: String?
    /// The network interface to connect through.
    var interface: String?
    /// What all that share it may send.
    var uploadLimit: TrafficLimit?
    /// What all that share it may receive.
    var downloadLimit: TrafficLimit?
    /// Asked before each attempt; throws if there must be none.
    var check: (@Sendable () throws(LifeboatError) -> Void)?
    var userAgent = "lifeboat"
    /// When the process is asked to end.
    var ending = Ending()

    init() {}
}
