public import LifeboatCore

/// Where the logs of a repository stand, short enough to be printed and typed in again.
///
/// Whoever keeps it notices later that the repository was set back or that points were removed,
/// even by somebody who holds the store. Source: formats/head-code.md.
public struct HeadCode: Hashable, Sendable {
    /// One log, and its last entry.
    public struct Mark: Hashable, Sendable {
        /// 20 bits of the incarnation.
        public var tag: UInt32
        public var sequence: UInt64
        /// The first 40 bits of the entry's SHA-256.
        public var digest: UInt64

        public init(tag: UInt32, sequence: UInt64, digest: UInt64) {
            self.tag = tag
            self.sequence = sequence
            self.digest = digest
        }

        public init(_ head: LogHead) {
            self.init(
                tag: Self.tag(of: head.incarnation), sequence: head.sequence,
                digest: Self.digest(of: head.digest))
        }

        /// The first 20 bits of the incarnation, xor the last: logs of one member differ in these.
        public static func tag(of incarnation: Identifier) -> UInt32 {
            UInt32(truncatingIfNeeded: incarnation.word0 >> 44)
                ^ UInt32(truncatingIfNeeded: incarnation.word1 & 0xF_FFFF)
        }

        public static func digest(of digest: Digest) -> UInt64 { digest.word0 >> 24 }
    }

    public static let markLimit = 3
    /// How many entries all logs have together; never less later.
    public var total: UInt64
    /// At most three, the most telling first.
    public var marks: [Mark]

    public init(total: UInt64, marks: [Mark]) {
        precondition(marks.count <= Self.markLimit, "a head code names up to three logs")
        self.total = total
        self.marks = marks
    }

    /// The code of these heads, with the first three of `named` for marks.
    public init(_ heads: [LogHead], named: [LogHead]) {
        self.init(
            total: Self.total(heads), marks: named.prefix(Self.markLimit).map { Mark($0) })
    }

    static func total(_ heads: [LogHead]) -> UInt64 {
        heads.reduce(0) { total, head in
            let (sum, overflows) = total.addingReportingOverflow(head.sequence)
            return overflows ? .max : sum
        }
    }
}

extension HeadCode {
    /// What a later look at the logs shows.
    public enum Finding: Hashable, Sendable {
        /// Entries are gone, of whichever logs.
        case fewerEntries(expected: UInt64, found: UInt64)
        /// A log is gone altogether; the tag of its name and the entry that is known of it.
        case noLog(tag: UInt32, sequence: UInt64)
        /// A log ends before the entry that is known.
        case shortLog(LogHead, expected: UInt64)
        /// Another entry stands in the place of the one that is known.
        case otherEntry(Identifier, UInt64)
        /// A keeper has summed up the entry since; it cannot be compared any more.
        case summedUp(Identifier, UInt64)
        /// A keeper or the root has ended the log before the entry that is known.
        case ended(LogHead, expected: UInt64)

        /// Whether something is wrong.
        public var isMismatch: Bool {
            switch self {
            case .fewerEntries, .noLog, .shortLog, .otherEntry: true
            case .summedUp, .ended: false
            }
        }
    }

    /// Compares the code with where the logs stand now.
    ///
    /// `ended`: logs that a keeper or the root has ended. `digest`: of an entry of a log that
    /// reaches that far; `nil` when it cannot be read any more.
    public func findings<Failure: Error>(
        _ heads: [LogHead], ended: Set<Identifier>,
        digest: (Identifier, UInt64) throws(Failure) -> Digest?
    ) throws(Failure) -> [Finding] {
        var findings: [Finding] = []
        var lost: UInt64 = 0
        for mark in marks {
            var finding: Finding? = .noLog(tag: mark.tag, sequence: mark.sequence)
            // Two logs may have the same tag: one that fits is enough.
            for head in heads where Mark.tag(of: head.incarnation) == mark.tag {
                finding = try self.finding(mark, head, ended, digest)
                if finding?.isMismatch != true { break }
            }
            if let finding { findings.append(finding) }
            if case .ended(let head, _) = finding { lost += mark.sequence - head.sequence }
        }
        let found = Self.total(heads)
        if found < total, total - found > lost {
            findings.insert(.fewerEntries(expected: total, found: found), at: 0)
        }
        return findings
    }

    private func finding<Failure: Error>(
        _ mark: Mark, _ head: LogHead, _ ended: Set<Identifier>,
        _ digest: (Identifier, UInt64) throws(Failure) -> Digest?
    ) throws(Failure) -> Finding? {
        guard head.sequence >= mark.sequence else {
            return ended.contains(head.incarnation)
                ? .ended(head, expected: mark.sequence)
                : .shortLog(head, expected: mark.sequence)
        }
        let found =
            head.sequence == mark.sequence
            ? head.digest : try digest(head.incarnation, mark.sequence)
        guard let found else { return .summedUp(head.incarnation, mark.sequence) }
        return Mark.digest(of: found) == mark.digest
            ? nil : .otherEntry(head.incarnation, mark.sequence)
    }
}
