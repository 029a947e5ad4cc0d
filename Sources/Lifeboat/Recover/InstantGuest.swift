import LifeboatCore
import LifeboatMachine

/// A machine that runs while its disks are still on their way.
protocol InstantGuest: AnyObject, Sendable {
    var name: String { get }
    func condition() throws(LifeboatError) -> InstantCondition
    func resume() throws(LifeboatError)
    /// How far the copying of a disk is; `nil` where none goes on.
    func progress(_ disk: String) throws(LifeboatError) -> (done: UInt64, total: UInt64)?
    /// Whether a disk needs nothing but its own file.
    func isStandalone(_ disk: String) throws(LifeboatError) -> Bool
    /// Begins to copy what a disk lacks.
    func startPull(_ disk: String) throws(LifeboatError)
}

/// What a machine does.
enum InstantCondition: Sendable, Equatable {
    case running
    /// A disk had an error, and the guest waits without knowing of it.
    case stopped(hasNoSpace: Bool)
    /// Somebody paused it.
    case paused
    case off
}

/// What serves the disks meanwhile.
protocol InstantServer: AnyObject, Sendable {
    var isAnswering: Bool { get }
    /// Starts it, at the same place as ever.
    func start() throws(LifeboatError)
    func stop()
}

/// A libvirt domain as an instant guest.
final class InstantDomain: InstantGuest {
    let name: String
    private let domain: LibvirtDomain

    init(_ domain: LibvirtDomain) {
        self.domain = domain
        name = domain.name
    }

    func condition() throws(LifeboatError) -> InstantCondition {
        switch try domain.state() {
        case .shutOff, .crashed: return .off
        case .paused:
            guard try domain.isPausedByDiskError() else { return .paused }
            return .stopped(hasNoSpace: try domain.diskErrors().values.contains(true))
        default: return .running
        }
    }

    func resume() throws(LifeboatError) { try domain.resume() }

    func progress(_ disk: String) throws(LifeboatError) -> (done: UInt64, total: UInt64)? {
        try domain.blockJob(disk).map { ($0.position, $0.end) }
    }

    func isStandalone(_ disk: String) throws(LifeboatError) -> Bool {
        let devices = XMLTree.parse(try domain.xml())?["devices"]
        let found = devices?.all("disk").first { $0["target"]?.attribute("dev") == disk }
        guard let found else {
            throw LifeboatError(.missing, "\(name) has no disk \(disk) any more", subject: disk)
        }
        // An empty element stands for the end of the chain; none at all for a chain not looked at.
        guard let backing = found["backingStore"] else { return false }
        return backing.children.isEmpty
    }

    func startPull(_ disk: String) throws(LifeboatError) { try domain.pullBlocks(disk) }
}
