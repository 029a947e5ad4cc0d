import LifeboatArchive
public import LifeboatCore
import LifeboatFormat
import LifeboatStore

extension Operations {
    /// What is stored, and for whom.
    ///
    /// Costs a listing, whatever the volumes' sizes.
    public func statistics() throws(LifeboatError) -> StatisticsResult {
        let repository = try openRepository()
        let log = try repository.readLog()
        let catalog = try PointCatalog(repository, log: log)
        warn(log.problems + catalog.problems)
        var machines: [String: StatisticsResult.Machine] = [:]
        for point in catalog.points {
            let body = point.body
            var machine =
                machines[body.machine]
                ?? StatisticsResult.Machine(
                    machine: body.machine, points: 0, volumes: 0, latestSize: 0, bytesNew: 0,
                    bytesStored: 0, oldest: body.ended, newest: body.ended)
            machine.points += 1
            machine.volumes = body.volumes.count
            machine.latestSize = body.volumes.reduce(0) { $0 + $1.size }
            machine.bytesNew += body.volumes.reduce(0) { $0 + $1.bytesNew }
            machine.bytesStored += body.volumes.reduce(0) { $0 + $1.bytesStored }
            machine.newest = body.ended
            machines[body.machine] = machine
        }
        var result = StatisticsResult(
            points: catalog.points.count,
            machines: machines.keys.sorted().compactMap { machines[$0] }, packs: 0, packBytes: 0,
            indexRuns: 0, indexBytes: 0, otherObjects: 0, otherBytes: 0,
            damagedPacks: UInt64(try Index.damagedPacks(repository).count))
        try repository.store.list("") { name, size throws(LifeboatError) in
            if name.path.hasPrefix(ObjectNames.packsPrefix) {
                result.packs += 1
                result.packBytes += size
            } else if name.path.hasPrefix(ObjectNames.indexPrefix) {
                result.indexRuns += 1
                result.indexBytes += size
            } else {
                result.otherObjects += 1
                result.otherBytes += size
            }
        }
        return result
    }
}
