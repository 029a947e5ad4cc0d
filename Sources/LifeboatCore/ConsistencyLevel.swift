/// What a recovery point can promise about its content, weakest first.
public enum ConsistencyLevel: String, Sendable, Hashable, Comparable, CaseIterable {
    /// A live, writable source read without a snapshot.
    case none
    /// As after a power failure.
    case crash
    /// File systems were quiesced.
    case filesystem
    /// Applications were quiesced.
    case application

    public static func < (left: ConsistencyLevel, right: ConsistencyLevel) -> Bool {
        left.rank < right.rank
    }

    private var rank: Int {
        switch self {
        case .none: 0
        case .crash: 1
        case .filesystem: 2
        case .application: 3
        }
    }
}
