import LifeboatCore
public import LifeboatFormat

/// Appends one entry with what somebody decided on seeing all logs, as a pure state machine:
/// forgetting, holding, tags.
public struct KeepingProtocol: Sendable {
    /// How it ended.
    public enum Verdict: Hashable, Sendable {
        case appended(LogHead)
        /// There was nothing to say.
        case nothing
        case void
        case refused(LogWriting.Refusal)
    }

    private let time: UInt64
    private let isKeeper: Bool
    public private(set) var verdict: Verdict?
    public private(set) var writing: LogWriting
    /// Whether logs have been read, and a decision is due.
    public private(set) var isReady = false

    public init(writing: LogWriting, time: UInt64) {
        self.writing = writing
        self.time = time
        isKeeper = writing.roster.member(writing.member)?.role == .keeper
        self.writing.read()
    }

    public var action: LogWriting.Action? { writing.action }

    public mutating func take(_ reply: LogWriting.Reply) {
        writing.take(reply)
        guard writing.isIdle else { return }
        if let refusal = writing.refusal {
            verdict = .refused(refusal)
        } else if case .appended(let head) = writing.outcome {
            verdict = .appended(head)
        } else if writing.outcome == .displaced {
            verdict = .void
        } else {
            isReady = true
        }
    }

    /// Says it; `nil` for nothing to say.
    ///
    /// When `isReady`, once.
    public mutating func decide(_ fill: ((inout LogEntry) -> Void)?) {
        isReady = false
        guard let fill else {
            verdict = .nothing
            return
        }
        let standing = isKeeper ? writing.ledger.base : nil
        let time = isKeeper ? max(time, writing.ledger.observed + 1) : time
        writing.append(time: time) { entry in
            entry.checkpoint = standing
            fill(&entry)
        }
    }
}
