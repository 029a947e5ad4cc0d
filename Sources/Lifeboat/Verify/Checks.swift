import LifeboatArchive
import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatProtocol
import LifeboatStore

/// The records of earlier verifications.
struct Checks {
    private let records: [CheckRecord]

    /// Reads all records; what is not signed by somebody of this repository does not count.
    init(_ repository: Repository) throws(LifeboatError) {
        records = try repository.checkRecords()
    }

    /// The newest verification without a finding that covered an entry.
    func newest(covering entry: Ledger.Point) -> (time: UInt64, depth: String)? {
        let covering = records.filter { record in
            record.problems == 0
                && record.heads.contains {
                    $0.incarnation == entry.incarnation && $0.sequence >= entry.sequence
                }
        }
        guard let newest = covering.max(by: { ($0.time, $0.depth) < ($1.time, $1.depth) }) else {
            return nil
        }
        return (newest.time, newest.depth.name)
    }
}

extension CheckRecord.Depth {
    var name: String {
        switch self {
        case .structure: "structure"
        case .keyless: "keyless"
        case .sample: "sample"
        case .data: "data"
        }
    }
}
