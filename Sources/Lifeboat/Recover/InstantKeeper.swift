import LifeboatCore
import LifeboatSystem

/// Keeps machines running whose disks are still being copied, until the copies are whole.
///
/// What serves the disks may die at any time: then guests stand still at their next read, without
/// an error of their own, and go on when it is there again.
final class InstantKeeper {
    /// A disk that is to be copied.
    struct Disk: Hashable {
        let machine: String
        let target: String
        /// Bytes, for progress.
        let size: UInt64
    }

    private let guests: [any InstantGuest]
    private let server: any InstantServer
    private var left: [Disk]
    private let events: any EventSink
    private let now: () -> Double
    /// The disk that is being copied.
    private var pulling: Disk?
    private var nextStart = 0.0
    private var startPause = firstPause
    private var nextPull = 0.0
    private var nextSpaceTry = 0.0
    private var told: Set<String> = []

    private static let firstPause = 0.5
    private static let longestPause = 30.0
    /// Between two tries of what failed.
    private static let pullPause = 3.0
    private static let spacePause = 20.0

    init(
        _ guests: [any InstantGuest], _ server: any InstantServer, disks: [Disk],
        events: any EventSink, now: @escaping () -> Double = Clock.monotonicSeconds
    ) {
        self.guests = guests
        self.server = server
        left = disks
        self.events = events
        self.now = now
    }

    /// Whether no disk needs the server any more.
    var isDone: Bool { left.isEmpty }

    /// Looks after everything once; `pulls`: whether copying may go on.
    ///
    /// - Throws: `.missing` where a machine is gone.
    func step(pulls: Bool) throws(LifeboatError) {
        guard keepServer() else { return }
        for guest in guests { try look(after: guest) }
        if pulls { try pull() }
    }

    /// Whether the server answers, after trying to start it.
    private func keepServer() -> Bool {
        if server.isAnswering {
            startPause = Self.firstPause
            told.remove("server")
            return true
        }
        guard now() >= nextStart else { return false }
        if told.insert("server").inserted {
            events.tell(.warning("the server of the point is gone; it is started again"))
        }
        do throws(LifeboatError) {
            try server.start()
            startPause = Self.firstPause
            return server.isAnswering
        } catch {
            nextStart = now() + startPause
            startPause = min(Self.longestPause, startPause * 2)
            events.tell(.note("the server of the point does not start: \(error.description)"))
            return false
        }
    }

    private func look(after guest: any InstantGuest) throws(LifeboatError) {
        let condition: InstantCondition
        do throws(LifeboatError) {
            condition = try guest.condition()
        } catch {
            if error.code == .missing { throw error }
            // A daemon that does not answer now may later.
            events.tell(.note(error.description))
            return
        }
        switch condition {
        case .running: told.remove(guest.name)
        case .stopped(let hasNoSpace):
            if hasNoSpace {
                guard now() >= nextSpaceTry else { return }
                nextSpaceTry = now() + Self.spacePause
            }
            if told.insert(guest.name).inserted {
                events.tell(
                    .warning(
                        hasNoSpace
                            ? "\(guest.name) stands still: there is no space for its disks"
                            : "\(guest.name) stood still while its disks were away; it goes on"))
            }
            do throws(LifeboatError) {
                try guest.resume()
            } catch {
                events.tell(.note(error.description))
            }
        case .paused: break
        case .off:
            if told.insert(guest.name + " off").inserted {
                events.tell(
                    .warning(
                        "\(guest.name) is shut off; its disks are copied when it runs again"))
            }
            return
        }
        told.remove(guest.name + " off")
    }

    private func pull() throws(LifeboatError) {
        while let disk = pulling ?? left.first,
            let guest = guests.first(where: { $0.name == disk.machine })
        {
            do throws(LifeboatError) {
                if let progress = try guest.progress(disk.target) {
                    pulling = disk
                    // The job counts in units of its own.
                    let part =
                        progress.total > 0 ? Double(progress.done) / Double(progress.total) : 0
                    events.tell(
                        .progress(
                            stage: stage(disk), done: UInt64(part * Double(disk.size)),
                            total: disk.size))
                    return
                }
                if try guest.isStandalone(disk.target) {
                    if pulling == disk { events.tell(.finished(stage: stage(disk))) }
                    left.removeAll { $0 == disk }
                    pulling = nil
                    continue
                }
                guard now() >= nextPull, try guest.condition() == .running else { return }
                if pulling == disk {
                    events.tell(
                        .warning("copying \(stage(disk)) was interrupted; it is tried again"))
                } else {
                    events.tell(.started(stage: stage(disk), total: disk.size))
                }
                pulling = disk
                nextPull = now() + Self.pullPause
                try guest.startPull(disk.target)
                return
            } catch {
                if error.code == .missing { throw error }
                events.tell(.note(error.description))
                nextPull = now() + Self.pullPause
                return
            }
        }
    }

    private func stage(_ disk: Disk) -> String { "\(disk.machine)/\(disk.target)" }
}
