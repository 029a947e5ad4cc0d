import LifeboatArchive
import LifeboatCodec
public import LifeboatCore
import LifeboatFormat
import LifeboatProtocol
import LifeboatStore

/// What `repo head` tells.
public struct HeadCodeResult: Sendable {
    /// A log that the code names.
    public struct Head: Hashable, Sendable {
        public var incarnation: Identifier
        public var isKeeper: Bool
        public var label: String?
        public var sequence: UInt64
        public var digest: Digest
    }

    /// To print and keep.
    public var code: String
    /// How many entries all logs have together.
    public var entries: UInt64
    public var heads: [Head]
    /// What could not be compared with the expected code any more; `nil` when none was expected.
    public var notes: [String]?
}

extension Operations {
    /// The code of where the logs stand, after comparing them with an earlier code.
    ///
    /// - Throws: `.damaged` when the repository is not a later state of what `expected` tells, or
    ///   lacks points; `.usage` when that code is mistyped.
    public func headCode(expected: String? = nil) throws(LifeboatError) -> HeadCodeResult {
        let expectation: HeadCode?
        if let expected { expectation = try HeadCode(text: expected) } else { expectation = nil }
        let repository = try openRepository()
        let log = try repository.readLog()
        var notes: [String]?
        if let expectation {
            notes = try check(expectation, repository, log)
        } else {
            warn(log.problems)
        }
        // What is in doubt now may turn out not to count.
        let certain = log.ledger.logs.values.filter { !$0.isInDoubt && $0.head.sequence > 0 }
        let named = Self.telling(certain).prefix(HeadCode.markLimit)
        let code = HeadCode(certain.map(\.head), named: named.map(\.head))
        return HeadCodeResult(
            code: code.text, entries: code.total,
            heads: named.map { log in
                .init(
                    incarnation: log.head.incarnation, isKeeper: log.isKeeper,
                    label: repository.roster.member(log.member).flatMap {
                        repository.label(of: $0)
                    }, sequence: log.head.sequence, digest: log.head.digest)
            }, notes: notes)
    }

    /// The newest keeper's log first, whose last entry tells of all others; then writers' logs, the
    /// most recent first.
    private static func telling(_ logs: [Ledger.Log]) -> [Ledger.Log] {
        let recent = logs.sorted {
            ($0.time, $0.head.incarnation) > ($1.time, $1.head.incarnation)
        }
        let keepers = recent.filter(\.isKeeper)
        return keepers.prefix(1) + recent.filter { !$0.isKeeper } + keepers.dropFirst()
    }

    /// What cannot be compared any more.
    private func check(
        _ code: HeadCode, _ repository: Repository, _ log: LogView
    ) throws(LifeboatError) -> [String] {
        let ledger = log.ledger
        let ended = Set(ledger.logs.filter(\.value.isEnded).keys)
        let findings = try code.findings(ledger.heads, ended: ended) {
            incarnation, sequence throws(LifeboatError) in
            try digest(incarnation, sequence, repository, log)
        }
        var mismatches = findings.filter(\.isMismatch).map(\.text)
        for problem in log.problems + (try missingBodies(repository, ledger)) {
            mismatches.append((problem.subject.map { "\($0): " } ?? "") + problem.message)
        }
        guard mismatches.isEmpty else {
            throw LifeboatError(
                .damaged,
                "this is not a later state of what the code tells: "
                    + mismatches.joined(separator: "; "), subject: repository.store.location,
                advice: "the repository was set back or exchanged, or points were removed: "
                    + "compare it with another copy before you rely on it, and back up to neither")
        }
        return findings.map(\.text)
    }

    /// SHA-256 of an entry, which a keeper may have summed up and deleted: then `nil`.
    private func digest(
        _ incarnation: Identifier, _ sequence: UInt64, _ repository: Repository, _ log: LogView
    ) throws(LifeboatError) -> Digest? {
        if let entry = log.recent[incarnation]?.first(where: { $0.entry.sequence == sequence }) {
            return entry.id
        }
        if let head = log.checkpointHeads[incarnation], head.sequence == sequence {
            return head.digest
        }
        do throws(LifeboatError) {
            return SHA256Hash.digest(
                try repository.store.getAgreed(
                    ObjectNames.logEntry(incarnation, sequence), limit: Envelope.byteLimit))
        } catch {
            guard error.code == .missing else { throw error }
            return nil
        }
    }

    /// Points whose body is missing or damaged; of domains whose secret is not at hand, missing.
    private func missingBodies(
        _ repository: Repository, _ ledger: Ledger
    ) throws(LifeboatError) -> [LifeboatError] {
        var problems = try PointCatalog(repository, ledger: ledger).problems
        for point in ledger.points where repository.domains[point.domain] == nil {
            let name = ObjectNames.pointBody(point.body)
            if try repository.store.size(name) == nil {
                problems.append(
                    LifeboatError(
                        .damaged, "the body of point \(point.id.short) is missing",
                        subject: name.path))
            }
        }
        return problems
    }
}

extension HeadCode.Finding {
    fileprivate var text: String {
        switch self {
        case .fewerEntries(let expected, let found):
            "the logs have \(found) entries, the code knows of \(expected)"
        case .noLog(_, let sequence):
            "a log is gone of which the code knows entry \(sequence)"
        case .shortLog(let head, let expected):
            "log \(head.incarnation) ends with entry \(head.sequence), the code knows entry "
                + "\(expected)"
        case .otherEntry(let incarnation, let sequence):
            "entry \(sequence) of log \(incarnation) is not the one that the code knows"
        case .summedUp(let incarnation, let sequence):
            "a keeper has summed up entry \(sequence) of log \(incarnation) since; its digest "
                + "cannot be compared any more"
        case .ended(let head, let expected):
            "log \(head.incarnation) was ended with entry \(head.sequence), before entry "
                + "\(expected) that the code knows"
        }
    }
}
