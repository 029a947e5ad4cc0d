internal import Glibc
public import LifeboatCore
internal import LifeboatSystem

/// File systems of this host that write nothing until they are thawed.
///
/// A process of its own thaws them at the deadline, also when this process is gone by then.
public final class FrozenFileSystems: Sendable {
    private let places: [String]
    private let watchdog: ChildProcess
    private let frozen: Guarded<[File]>

    /// `_IOWR('X', 119, int)` and `_IOWR('X', 120, int)` of `linux/fs.h`.
    private static let freezeRequest: UInt = 0xC004_5877
    private static let thawRequest: UInt = 0xC004_5878

    private static let script = """
        trap 'kill "$sleeper"; exit 0' TERM
        sleep "$1" > /dev/null 2>&1 &
        sleeper=$!
        echo ready
        wait "$sleeper"
        shift
        for place; do fsfreeze --unfreeze "$place"; done
        """

    /// Freezes the file systems mounted at `places`, in this order.
    ///
    /// - Throws: `.refused` for what is no mount point or is frozen already, `.unsupported`,
    ///   `.denied`, `.unavailable` where it takes longer than the deadline; nothing is frozen then.
    public init(places: [String], deadlineSeconds: Double) throws(LifeboatError) {
        self.places = places
        frozen = Guarded([])
        for place in places { try Self.checkMountPoint(place) }
        guard ChildProcess.find("fsfreeze") != nil else {
            throw LifeboatError(
                .missing, "there is no program fsfreeze, which would thaw in an emergency",
                subject: "fsfreeze", advice: "install util-linux")
        }
        var launch = ChildProcess.Launch(
            ["/bin/sh", "-c", Self.script, "lifeboat-thaw", "\(deadlineSeconds)"] + places)
        launch.isDetached = true
        watchdog = try ChildProcess(launch)
        let end = Clock.monotonicSeconds() + deadlineSeconds
        for place in places {
            do throws(LifeboatError) {
                let file = try Self.freeze(place, end - Clock.monotonicSeconds())
                frozen.withLock { $0.append(file) }
            } catch {
                _ = thaw()
                throw error
            }
        }
    }

    deinit { _ = thaw() }

    /// Lets all write again.
    ///
    /// False where one was thawed already, such as at the deadline: what happened meanwhile
    /// happened in running file systems. At the second call true.
    public func thaw() -> Bool {
        let files = frozen.withLock { files in
            defer { files = [] }
            return files
        }
        var wasFrozen = true
        for file in files.reversed() where ioctl(file.descriptor, Self.thawRequest, 0) != 0 {
            wasFrozen = false
        }
        watchdog.stop(graceSeconds: 2)
        return wasFrozen
    }

    private static func checkMountPoint(_ place: String) throws(LifeboatError) {
        guard let own = Files.identity(place) else {
            throw LifeboatError(.missing, "there is no \(place) to freeze", subject: place)
        }
        let above = Files.identity(place + "/..")
        guard own != above && own.device == above?.device else { return }
        // Else a misspelt place would freeze the file system that it happens to lie on.
        throw LifeboatError(
            .refused, "\(place) is no mount point, and is not frozen", subject: place)
    }

    /// The call cannot be interrupted, so a thread of its own makes it; where it succeeds too late
    /// that thread thaws again.
    private static func freeze(
        _ place: String, _ seconds: Double
    ) throws(LifeboatError) -> File {
        let file = try File(path: place, access: .read)
        let condition = Condition()
        let answer = Guarded<Int32?>(nil)
        let isAbandoned = Guarded(false)
        _ = Threads.start(name: "freeze") {
            let number: Int32 = ioctl(file.descriptor, freezeRequest, 0) == 0 ? 0 : errno
            condition.withLock {
                answer.withLock { $0 = number }
                if number == 0, isAbandoned.withLock({ $0 }) {
                    _ = ioctl(file.descriptor, thawRequest, 0)
                }
                condition.broadcast()
            }
        }
        let deadline = Clock.monotonicSeconds() + seconds
        let number: Int32? = condition.withLock {
            while true {
                if let number = answer.withLock({ $0 }) { return number }
                let left = deadline - Clock.monotonicSeconds()
                guard left > 0 else {
                    isAbandoned.withLock { $0 = true }
                    return nil
                }
                _ = condition.wait(seconds: left)
            }
        }
        guard let number else {
            throw LifeboatError(
                .unavailable, "\(place) could not be frozen in time", subject: place)
        }
        guard number == 0 else {
            let what = "cannot freeze \(place)"
            if number == EBUSY {
                throw LifeboatError(
                    .refused, "\(what): it is frozen already", subject: place,
                    advice: "fsfreeze --unfreeze \(place) thaws it")
            }
            throw .system(what, path: place, number: number)
        }
        return file
    }
}
