import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatProtocol
import LifeboatStore
import LifeboatSystem

/// Does for a member what the log's state machine asks for: reads, remembers, signs and puts.
///
/// Used by one thread at a time, with the member's lock held.
final class LogDriver: @unchecked Sendable {
    let repository: Repository
    let member: WriterKeys
    private let signed = Guarded<[LogEntry: [UInt8]]>([:])
    private var doubtfulPuts = 0
    private(set) var byteCount = 0
    /// How often a put whose fate is unknown is tried again.
    private static let attempts = 8

    init(_ repository: Repository, _ member: WriterKeys) {
        self.repository = repository
        self.member = member
    }

    /// The member's hand on its log, with what the host remembers.
    func writing() throws(LifeboatError) -> LogWriting {
        LogWriting(
            repository: repository.id, member: member.writer, domain: member.domain,
            roster: try repository.freshRoster(),
            memory: try HostMemoryFile.load(repository.directories, member: member.writer),
            identify: { [self] in identify($0) })
    }

    /// Signs an entry, and keeps its bytes until it is put.
    private func identify(_ entry: LogEntry) -> Digest {
        let bytes = Repository.signed(.logEntry, entry.payload, by: member.signing)
        signed.withLock { $0 = [entry: bytes] }
        return SHA256Hash.digest(bytes)
    }

    func perform(
        _ action: LogWriting.Action, roster: Roster
    ) throws(LifeboatError) -> LogWriting.Reply {
        switch action {
        case .read(let request):
            return .read(try repository.fetcher.fetch(request, repository, roster))
        case .remember(let memory):
            try HostMemoryFile.save(memory, member: member.writer, repository.directories)
            return .remembered
        case .put(let entry): return .put(try put(entry))
        }
    }

    private func put(_ entry: LogEntry) throws(LifeboatError) -> LogWriting.PutResult {
        guard let bytes = signed.withLock({ $0[entry] }) else {
            throw LifeboatError(.internalFault, "an entry is put that was not signed")
        }
        do throws(LifeboatError) {
            try repository.store.put(
                ObjectNames.logEntry(entry.incarnation, entry.sequence), bytes: bytes)
            byteCount += bytes.count
            return .stored
        } catch {
            switch error.code {
            case .exists: return .taken
            case .unavailable where doubtfulPuts < Self.attempts:
                doubtfulPuts += 1
                return .unknown
            default: throw error
            }
        }
    }

    /// Takes the member's lock: processes of one host take turns at its log.
    func lock() throws(LifeboatError) -> File {
        let path = repository.directories.lockFile(member.writer)
        let file: File
        do throws(LifeboatError) {
            file = try File(path: path, access: .createNew)
        } catch {
            guard error.code == .exists else { throw error }
            file = try File(path: path, access: .readWrite)
        }
        _ = try file.lock(exclusive: true, wait: true)
        return file
    }

    /// Somebody else wrote to this log while this host was about to.
    static let displaced = LifeboatError(
        .refused, "another host writes to this member's log",
        advice: "run it again: it begins a new log; do not share a state directory between hosts")

    /// What a refusal of the state machine means to people.
    static func error(_ refusal: LogWriting.Refusal) -> LifeboatError {
        switch refusal {
        case .setBack(let head):
            LifeboatError(
                .refused, "this host's own log lacks its entry \(head.sequence)",
                subject: ObjectNames.logEntry(head.incarnation, head.sequence).path,
                advice: "the repository was set back; bring the newer state back first")
        }
    }
}
