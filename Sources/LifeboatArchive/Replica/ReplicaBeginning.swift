public import LifeboatCore
import LifeboatFormat
public import LifeboatStore

extension Repository {
    /// Says at a place that it is a replica, before anything else is there.
    ///
    /// - Throws: `.refused` when a repository is there that is none.
    public func beginReplica(at target: any ObjectStore) throws(LifeboatError) {
        guard try target.size(ObjectNames.replicaMark) == nil else {
            guard try target.size(ObjectNames.configuration(1)) != nil else { return }
            let other = try repository(of: target)
            guard other == id else {
                throw LifeboatError(
                    .refused, "this is a replica of repository \(other)",
                    subject: target.location)
            }
            return
        }
        guard try target.size(ObjectNames.configuration(1)) == nil else {
            throw LifeboatError(
                .refused, "a repository is there that is no replica", subject: target.location,
                advice: "choose an empty place; a replica that was promoted goes its own way")
        }
        do throws(LifeboatError) {
            try target.put(ObjectNames.replicaMark, bytes: Array("replica\n".utf8))
        } catch {
            guard error.code == .exists else { throw error }
        }
    }

    /// The repository that a place is a replica of; this one where nothing was ever shown there.
    ///
    /// Where the configurations are damaged the views say it, so that they can be brought back.
    private func repository(of target: any ObjectStore) throws(LifeboatError) -> Identifier {
        do throws(LifeboatError) {
            return try Repository.readConfiguration(target).repository
        } catch {
            guard error.code == .damaged, let view = try ReplicaSight(target).view else {
                throw error
            }
            return view.number == 0 ? id : view.repository
        }
    }
}
