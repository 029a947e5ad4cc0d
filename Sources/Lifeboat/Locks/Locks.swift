import LifeboatArchive
public import LifeboatCore
import LifeboatFormat
import LifeboatStore
import LifeboatSystem

extension Operations {
    /// Locks everything that points need for `duration` milliseconds from now on, or for as long as
    /// the repository locks what is put.
    ///
    /// Nothing becomes shorter.
    public func extendLocks(
        duration: UInt64? = nil
    ) throws(LifeboatError) -> LockExtensionResult {
        let repository = try openRepository()
        let locking = try repository.requireLocking()
        guard case let duration = duration ?? repository.configuration.lockDuration, duration > 0
        else {
            throw LifeboatError(
                .usage, "this repository does not say for how long objects are locked",
                advice: "say it with --for")
        }
        let log = try repository.readLog()
        warn(log.problems)
        let objects = try LockedObjects(repository, log)
        let result = Guarded(
            LockExtensionResult(until: Clock.milliseconds() + duration))
        result.withLock { result in
            result.objects = objects.names.count
            result.bytes = objects.names.reduce(0) { $0 + $1.size }
            result.failedObjects = objects.missing.count
            result.failure = objects.missing.first.map {
                LifeboatError(.missing, "\($0) is not in the store", subject: $0.path)
            }
        }
        let until = result.withLock { $0.until }
        try ask(objects.names.map(\.name), repository.store) { name in
            do throws(LifeboatError) {
                let isLonger = try locking.extendLock(name, until: until)
                if isLonger { result.withLock { $0.extendedObjects += 1 } }
            } catch {
                let failure = error
                result.withLock { result in
                    result.failedObjects += 1
                    result.failure = result.failure ?? failure
                }
            }
        }
        return result.withLock { $0 }
    }

    /// Asks the store what it locks: of some objects, or of `all` that points need.
    public func lockStatus(all: Bool = false) throws(LifeboatError) -> LockStatusResult {
        let repository = try openRepository()
        let locking = try repository.requireLocking()
        let log = try repository.readLog()
        warn(log.problems)
        let objects = try LockedObjects(repository, log)
        var start = LockStatusResult(duration: repository.configuration.lockDuration)
        start.objects = objects.names.count
        start.bytes = objects.names.reduce(0) { $0 + $1.size }
        start.missingObjects = objects.missing.count
        try locking.listMeddled("") { object throws(LifeboatError) in
            start.meddled.append(
                .init(
                    name: object.name.path, isDeleted: object.isDeleted,
                    otherVersions: object.otherVersions))
        }
        let names = objects.names.map(\.name)
        let sample = all ? names : Array(names.shuffled().prefix(Self.sampleCount))
        start.askedObjects = sample.count
        let result = Guarded(start)
        let failure = Guarded<LifeboatError?>(nil)
        try ask(sample, repository.store) { name in
            do throws(LifeboatError) {
                let end = try locking.lockEnd(name)
                result.withLock { result in
                    guard let end, end > Clock.milliseconds() else {
                        result.unlockedObjects += 1
                        return
                    }
                    result.firstEnd = min(result.firstEnd ?? end, end)
                }
            } catch {
                let found = error
                failure.withLock { $0 = found }
            }
        }
        if let failure = failure.withLock({ $0 }) { throw failure }
        return result.withLock { $0 }
    }

    /// Brings what somebody deleted or overwrote back into plain sight.
    public func restoreMeddled() throws(LifeboatError) -> LockRestorationResult {
        let repository = try openRepository()
        let locking = try repository.requireLocking()
        var names: [ObjectName] = []
        try locking.listMeddled("") { object throws(LifeboatError) in names.append(object.name) }
        let result = Guarded(LockRestorationResult())
        let failure = Guarded<LifeboatError?>(nil)
        try ask(names, repository.store) { name in
            do throws(LifeboatError) {
                let isSeen = try locking.undoMeddling(name)
                result.withLock { result in
                    if isSeen {
                        result.restoredObjects += 1
                    } else {
                        result.hiddenObjects += 1
                    }
                }
            } catch {
                let found = error
                failure.withLock { $0 = found }
            }
        }
        if let failure = failure.withLock({ $0 }) { throw failure }
        return result.withLock { $0 }
    }

    /// How many objects a look at the locks asks about.
    private static let sampleCount = 50

    /// Asks about many objects at once.
    private func ask(
        _ names: [ObjectName], _ store: any ObjectStore,
        _ body: @escaping @Sendable (ObjectName) -> Void
    ) throws(LifeboatError) {
        let next = Guarded(0)
        let cancellation = cancellation
        Threads.run(count: max(1, min(store.parallelRequests, names.count)), name: "locks") { _ in
            while !cancellation.isCancelled {
                let index = next.withLock { next in
                    defer { next += 1 }
                    return next
                }
                guard index < names.count else { return }
                body(names[index])
            }
        }
        try cancellation.check()
    }
}
