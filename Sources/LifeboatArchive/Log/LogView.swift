import LifeboatCodec
public import LifeboatCore
public import LifeboatFormat
public import LifeboatStore
import LifeboatSystem

/// An entry whose signature and place in its chain were checked.
public struct VerifiedEntry: Sendable {
    /// SHA-256 of the entry's object: the id of its point.
    public let id: Digest
    public let entry: LogEntry

    public var addsPoint: Bool { !entry.body.isZero }
}

/// All logs of a repository as they stood when they were read.
///
/// Entries are read by name, one after the other. Listings only hint at which logs there are and
/// how long they may be: an entry that a listing hides is found by the one before it, and one
/// that somebody removed is missed by whoever remembers a later one.
public struct LogView: Sendable {
    public private(set) var logs: [Identifier: [VerifiedEntry]] = [:]
    /// What is missing or damaged; everything else can be relied on.
    public private(set) var problems: [LifeboatError] = []

    /// Reads and checks every entry.
    ///
    /// `remembered`: heads that this host saw earlier; a log that ends before is a problem.
    public static func read(
        _ store: any ObjectStore, configuration: Configuration, roster: Roster,
        remembered: [LogHead] = []
    ) throws(LifeboatError) -> LogView {
        var view = LogView()
        var reach: [Identifier: UInt64] = [:]
        try store.list(ObjectNames.logPrefix) { name, _ throws(LifeboatError) in
            let parts = name.path.split(separator: "/")
            guard parts.count == 3, let incarnation = Identifier(hex: parts[1]),
                let sequence = UInt64(parts[2])
            else { return }
            reach[incarnation] = max(reach[incarnation] ?? 0, sequence)
        }
        for head in remembered {
            reach[head.incarnation] = max(reach[head.incarnation] ?? 0, head.sequence)
        }
        for incarnation in reach.keys.sorted() {
            try view.read(
                incarnation, atLeastTo: reach[incarnation] ?? 0, store, configuration, roster)
        }
        view.compare(remembered, rememberedBy: "this host")
        for verified in view.entries {
            view.compare(
                verified.entry.heads, rememberedBy: "log \(verified.entry.incarnation)")
        }
        return view
    }

    private mutating func read(
        _ incarnation: Identifier, atLeastTo reach: UInt64, _ store: any ObjectStore,
        _ configuration: Configuration, _ roster: Roster
    ) throws(LifeboatError) {
        var entries: [VerifiedEntry] = []
        var sequence: UInt64 = 1
        var expected: Digest? = .zero
        while true {
            let name = ObjectNames.logEntry(incarnation, sequence)
            let bytes: [UInt8]
            do throws(LifeboatError) {
                bytes = try store.get(name, limit: Envelope.byteLimit)
            } catch {
                guard error.code == .missing else { throw error }
                if sequence > reach { break }
                problems.append(
                    LifeboatError(
                        .damaged, "the log entry is missing, and with it its point",
                        subject: name.path,
                        advice: "take it from another copy of the repository"))
                expected = nil
                sequence += 1
                continue
            }
            do throws(LifeboatError) {
                let verified = try Self.check(
                    bytes, name, incarnation, sequence, configuration, roster)
                if let expected, verified.entry.previous != expected {
                    throw LifeboatError(
                        .damaged, "the log entry does not follow the one before it",
                        subject: name.path)
                }
                entries.append(verified)
                expected = verified.id
            } catch {
                if error.code == .unsupported { throw error }
                problems.append(error)
                expected = nil
            }
            sequence += 1
        }
        logs[incarnation] = entries
    }

    private static func check(
        _ bytes: [UInt8], _ name: ObjectName, _ incarnation: Identifier, _ sequence: UInt64,
        _ configuration: Configuration, _ roster: Roster
    ) throws(LifeboatError) -> VerifiedEntry {
        let envelope = try Envelope(.logEntry, decoding: bytes, isSigned: true, subject: name.path)
        let entry = try LogEntry(payload: envelope.payload, subject: name.path)
        guard entry.repository == configuration.repository, entry.incarnation == incarnation,
            entry.sequence == sequence
        else {
            throw LifeboatError(
                .damaged, "the log entry belongs to another place", subject: name.path)
        }
        guard let member = roster.member(entry.writer), member.role == .writer,
            member.domain == entry.domain,
            Signature.isValid(
                envelope.signature, of: envelope.signedBytes, by: member.publicKey)
        else {
            throw LifeboatError(
                .damaged, "the log entry is not signed by a writer of this repository",
                subject: name.path)
        }
        return VerifiedEntry(id: SHA256Hash.digest(bytes), entry: entry)
    }

    private mutating func compare(_ heads: [LogHead], rememberedBy who: String) {
        for head in heads {
            let name = ObjectNames.logEntry(head.incarnation, head.sequence)
            let entry = entry(head.incarnation, head.sequence)
            // A missing or damaged entry has been told already.
            if let entry, entry.id != head.digest {
                problems.append(
                    LifeboatError(
                        .damaged, "the log entry is not the one that \(who) remembers",
                        subject: name.path,
                        advice: "the repository was set back or exchanged; use another copy"))
            } else if entry == nil, !problems.contains(where: { $0.subject == name.path }) {
                problems.append(
                    LifeboatError(
                        .damaged, "the log ends before the entry that \(who) remembers",
                        subject: name.path,
                        advice: "the repository was set back, or points were removed"))
            }
        }
    }

    /// Entries are in order of sequence, mostly without gaps.
    private func entry(_ incarnation: Identifier, _ sequence: UInt64) -> VerifiedEntry? {
        guard let entries = logs[incarnation], sequence > 0 else { return nil }
        let guess = Int(min(sequence, UInt64(entries.count))) - 1
        if guess >= 0, entries[guess].entry.sequence == sequence { return entries[guess] }
        return entries.first { $0.entry.sequence == sequence }
    }

    /// The last entry of each log.
    public var heads: [LogHead] {
        logs.keys.sorted().compactMap { incarnation in
            logs[incarnation]?.last.map {
                LogHead(
                    incarnation: incarnation, sequence: $0.entry.sequence, digest: $0.id)
            }
        }
    }

    /// All entries, log by log.
    public var entries: [VerifiedEntry] { logs.keys.sorted().flatMap { logs[$0] ?? [] } }

    /// Index runs that are named and not replaced.
    var liveRuns: Set<Digest> {
        var live: Set<Digest> = []
        var replaced: Set<Digest> = []
        for verified in entries {
            live.formUnion(verified.entry.runs)
            replaced.formUnion(verified.entry.replacedRuns)
        }
        return live.subtracting(replaced)
    }

    /// Every pack that an entry names.
    public var packs: Set<Digest> {
        var packs: Set<Digest> = []
        for verified in entries { packs.formUnion(verified.entry.packs) }
        return packs
    }
}

extension Repository {
    /// Reads the logs, compared with the heads that this host remembers.
    public func readLog() throws(LifeboatError) -> LogView {
        try LogView.read(
            store, configuration: configuration, roster: roster,
            remembered: RememberedHeads.load(directories))
    }
}
