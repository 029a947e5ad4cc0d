import LifeboatCore
import LifeboatFormat
import LifeboatProtocol
import LifeboatStore

/// How much of the logs that lie at a place count there.
///
/// Source: formats/replica.md, "Views".
enum ReplicaSight: Hashable {
    /// All: the place is no replica.
    case whole
    /// What the newest view says.
    case view(ReplicaView)
    /// All, for want of anything better: the newest view is damaged.
    case unknown(LifeboatError)

    /// What a replica has.
    init(_ store: any ObjectStore) throws(LifeboatError) {
        while true {
            let number = try Self.newestNumber(store)
            guard number > 0 else {
                self = .view(
                    ReplicaView(
                        repository: Identifier(0, 0), number: 0, time: 0, heads: []))
                return
            }
            do throws(LifeboatError) {
                self = .view(try Self.read(store, number))
                return
            } catch {
                switch error.code {
                // It has just made room for a newer one.
                case .missing: continue
                case .damaged:
                    self = .unknown(error)
                    return
                default: throw error
                }
            }
        }
    }

    var view: ReplicaView? { if case .view(let view) = self { view } else { nil } }

    /// By log, the last entry that counts; `nil` where all do.
    var limits: [Identifier: UInt64]? {
        view.map { view in
            Dictionary(view.heads.map { ($0.incarnation, $0.sequence) }) { max($0, $1) }
        }
    }

    /// The number of the newest view; 0 before the first.
    ///
    /// Found as the end of a log is: the older ones that stay are its anchors.
    static func newestNumber(_ store: any ObjectStore) throws(LifeboatError) -> UInt64 {
        var search = LogSearch()
        while !search.isDone {
            search.answer(try store.size(ObjectNames.replicaView(search.question)) != nil)
        }
        return search.end
    }

    static func read(
        _ store: any ObjectStore, _ number: UInt64
    ) throws(LifeboatError) -> ReplicaView {
        let name = ObjectNames.replicaView(number)
        let bytes = try store.get(name, limit: Envelope.byteLimit)
        let envelope = try Envelope(
            .replicaView, decoding: bytes, isSigned: false, subject: name.path)
        let view = try ReplicaView(payload: envelope.payload, subject: name.path)
        guard view.number == number else {
            throw LifeboatError(
                .damaged, "the view of the replica belongs to another place", subject: name.path)
        }
        return view
    }
}
