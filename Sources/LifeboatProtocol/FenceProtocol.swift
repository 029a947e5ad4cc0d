public import LifeboatCore
public import LifeboatFormat

/// Fences writers' logs, as a pure state machine: announces it, then records where the logs end.
///
/// A writer that has not seen the announcement put its entry before, so that the keeper finds it;
/// a writer that has seen it does not rely on its entry. A wrong fence voids one session, never
/// data. Source: formats/collection.md, "Fences".
public struct FenceProtocol: Sendable {
    /// How it ended.
    public enum Verdict: Hashable, Sendable {
        /// Where the logs end.
        case fenced([LogHead])
        case void
        case refused(LogWriting.Refusal)
    }

    private enum Stage: Hashable, Sendable {
        case starting, announcing, reading, ending
        case over(Verdict)
    }

    private let incarnations: [Identifier]
    private let time: UInt64
    private let rules: Rules
    private var stage = Stage.starting
    private var ends: [LogHead] = []
    private var incarnation: Identifier
    public private(set) var writing: LogWriting

    public init(
        _ incarnations: [Identifier], writing: LogWriting, time: UInt64, rules: Rules = .all
    ) {
        self.incarnations = incarnations
        self.writing = writing
        self.time = time
        self.rules = rules
        incarnation = writing.incarnation
        self.writing.read()
    }

    public var action: LogWriting.Action? { writing.action }

    public var verdict: Verdict? {
        if case .over(let verdict) = stage { verdict } else { nil }
    }

    public mutating func take(_ reply: LogWriting.Reply) {
        writing.take(reply)
        while writing.isIdle, advance() {}
    }

    private mutating func advance() -> Bool {
        if let refusal = writing.refusal {
            stage = .over(.refused(refusal))
            return false
        }
        switch stage {
        case .starting:
            incarnation = writing.incarnation
            guard rules.contains(.announceFenceFirst) else {
                recordEnds()
                break
            }
            stage = .announcing
            let incarnations = incarnations
            append { $0.fenced = incarnations }
        case .announcing:
            guard case .appended = writing.outcome else { return void() }
            stage = .reading
            writing.read()
        case .reading:
            guard writing.incarnation == incarnation else { return void() }
            recordEnds()
        case .ending:
            guard case .appended = writing.outcome else { return void() }
            stage = .over(.fenced(ends))
            return false
        case .over: return false
        }
        return writing.isIdle
    }

    private mutating func void() -> Bool {
        stage = .over(.void)
        return false
    }

    private mutating func recordEnds() {
        ends = incarnations.map { incarnation in
            writing.ledger.logs[incarnation]?.head
                ?? LogHead(incarnation: incarnation, sequence: 0, digest: .zero)
        }
        stage = .ending
        let (ends, incarnations) = (ends, incarnations)
        let announces = !rules.contains(.announceFenceFirst)
        append { entry in
            if announces { entry.fenced = incarnations }
            entry.ends = ends
        }
    }

    private mutating func append(_ fill: (inout LogEntry) -> Void) {
        let standing = writing.ledger.base
        writing.append(time: max(time, writing.ledger.observed + 1)) { entry in
            entry.checkpoint = standing
            fill(&entry)
        }
    }
}
