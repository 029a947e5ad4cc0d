/// How consistent a machine's snapshot must be, and what is done where that cannot be had.
public enum QuiescePolicy: String, Sendable, CaseIterable, Codable {
    /// Frozen, or the backup of this machine fails.
    case require
    /// Frozen where that works; otherwise crash-consistent, with a warning.
    case prefer
    /// Not frozen.
    case crash
    /// Paused while its snapshot starts, which gives crash consistency without an agent.
    case pause
    /// The definition only: no volume is read.
    case stateless
}
