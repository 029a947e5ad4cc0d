internal import CLibvirt
internal import Glibc
public import LifeboatCore

/// A virtual machine as libvirt knows it.
///
/// Every call returns or throws within its deadline. Safe from many threads.
public final class LibvirtDomain: Sendable {
    /// What a domain does.
    public enum State: String, Sendable, Codable {
        case running, blocked, paused
        case shuttingDown = "shutting-down"
        case shutOff = "shut-off"
        case crashed, suspended, unknown
    }

    /// Which form of its definition is asked for.
    public struct XMLFlags: OptionSet, Sendable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }
        /// With passwords.
        public static let secure = XMLFlags(rawValue: VIR_DOMAIN_XML_SECURE.rawValue)
        /// As of the next start; else as it runs now.
        public static let inactive = XMLFlags(rawValue: VIR_DOMAIN_XML_INACTIVE.rawValue)
        /// For another host.
        public static let migratable = XMLFlags(rawValue: VIR_DOMAIN_XML_MIGRATABLE.rawValue)
    }

    /// What goes with a definition that is removed.
    public struct UndefineFlags: OptionSet, Sendable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }
        public static let managedSave = UndefineFlags(
            rawValue: VIR_DOMAIN_UNDEFINE_MANAGED_SAVE.rawValue)
        public static let snapshotMetadata = UndefineFlags(
            rawValue: VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA.rawValue)
        public static let checkpointMetadata = UndefineFlags(
            rawValue: VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA.rawValue)
        public static let variables = UndefineFlags(rawValue: VIR_DOMAIN_UNDEFINE_NVRAM.rawValue)
        public static let keepsVariables = UndefineFlags(
            rawValue: VIR_DOMAIN_UNDEFINE_KEEP_NVRAM.rawValue)
        public static let tpm = UndefineFlags(rawValue: VIR_DOMAIN_UNDEFINE_TPM.rawValue)
    }

    public let connection: LibvirtConnection
    public let name: String
    public let uuid: String
    let handle: LibvirtHandle

    init(handle: LibvirtHandle, connection: LibvirtConnection) {
        self.handle = handle
        self.connection = connection
        // Neither asks the daemon.
        name = virDomainGetName(handle.pointer).map { String(cString: $0) } ?? ""
        var text = [CChar](repeating: 0, count: Int(VIR_UUID_STRING_BUFLEN))
        virDomainGetUUIDString(handle.pointer, &text)
        uuid = text.withUnsafeBufferPointer {
            $0.baseAddress.map { String(cString: $0) } ?? ""
        }
    }

    public func state() throws(LifeboatError) -> State {
        let handle = handle
        return try LibvirtCall.run("asking for the state of \(name)", name) {
            var state: Int32 = 0
            guard virDomainGetState(handle.pointer, &state, nil, 0) >= 0 else { return nil }
            return Self.states[UInt32(bitPattern: state)] ?? .unknown
        }
    }

    /// Whether it stands still because one of its disks had an error; when it is resumed, what its
    /// guest wrote or read is tried again.
    public func isPausedByDiskError() throws(LifeboatError) -> Bool {
        let handle = handle
        return try LibvirtCall.run("asking for the state of \(name)", name) {
            var state: Int32 = 0
            var reason: Int32 = 0
            guard virDomainGetState(handle.pointer, &state, &reason, 0) >= 0 else { return nil }
            return state == Int32(VIR_DOMAIN_PAUSED.rawValue)
                && reason == Int32(VIR_DOMAIN_PAUSED_IOERROR.rawValue)
        }
    }

    private static let states: [UInt32: State] = [
        VIR_DOMAIN_RUNNING.rawValue: .running, VIR_DOMAIN_BLOCKED.rawValue: .blocked,
        VIR_DOMAIN_PAUSED.rawValue: .paused, VIR_DOMAIN_SHUTDOWN.rawValue: .shuttingDown,
        VIR_DOMAIN_SHUTOFF.rawValue: .shutOff, VIR_DOMAIN_CRASHED.rawValue: .crashed,
        VIR_DOMAIN_PMSUSPENDED.rawValue: .suspended,
    ]

    /// Whether a process runs it, be it paused.
    public func isActive() throws(LifeboatError) -> Bool {
        let handle = handle
        return try LibvirtCall.number("asking whether \(name) runs", name) {
            virDomainIsActive(handle.pointer)
        } == 1
    }

    /// Whether it stays when it is shut off.
    public func isPersistent() throws(LifeboatError) -> Bool {
        let handle = handle
        return try LibvirtCall.number("asking whether \(name) is persistent", name) {
            virDomainIsPersistent(handle.pointer)
        } == 1
    }

    /// Bytes of memory and the number of processors.
    public func resources() throws(LifeboatError) -> (memory: UInt64, processors: Int) {
        let handle = handle
        return try LibvirtCall.run("asking for the resources of \(name)", name) {
            var info = virDomainInfo()
            guard virDomainGetInfo(handle.pointer, &info) >= 0 else { return nil }
            return (UInt64(info.maxMem) * 1024, Int(info.nrVirtCpu))
        }
    }

    public func xml(_ flags: XMLFlags = []) throws(LifeboatError) -> String {
        let handle = handle
        return try LibvirtCall.text("reading the definition of \(name)", name) {
            virDomainGetXMLDesc(handle.pointer, flags.rawValue)
        }
    }

    // MARK: life

    /// Stops its processors.
    public func suspend(timeoutSeconds: Double = 40) throws(LifeboatError) {
        try call("pausing \(name)", within: timeoutSeconds) { virDomainSuspend($0) }
    }

    /// Lets its processors run again.
    public func resume(timeoutSeconds: Double = 40) throws(LifeboatError) {
        try call("resuming \(name)", within: timeoutSeconds) { virDomainResume($0) }
    }

    public func start(isPaused: Bool = false, timeoutSeconds: Double = 120) throws(LifeboatError) {
        let flags = isPaused ? VIR_DOMAIN_START_PAUSED.rawValue : 0
        try call("starting \(name)", within: timeoutSeconds) {
            virDomainCreateWithFlags($0, flags)
        }
    }

    /// Takes its power away.
    public func destroy(timeoutSeconds: Double = 60) throws(LifeboatError) {
        try call("stopping \(name)", within: timeoutSeconds) { virDomainDestroy($0) }
    }

    /// Asks the guest to shut down; does not wait for it.
    public func shutdown(timeoutSeconds: Double = 40) throws(LifeboatError) {
        try call("shutting down \(name)", within: timeoutSeconds) { virDomainShutdown($0) }
    }

    /// Removes its definition.
    public func undefine(_ flags: UndefineFlags = []) throws(LifeboatError) {
        try call("removing the definition of \(name)") {
            virDomainUndefineFlags($0, flags.rawValue)
        }
    }

    // MARK: the way to the library

    /// Runs a call that returns a negative number where it fails.
    @discardableResult
    func call(
        _ what: String, within seconds: Double = LibvirtCall.defaultSeconds,
        _ body: @escaping @Sendable (OpaquePointer) -> Int32
    ) throws(LifeboatError) -> Int {
        let handle = handle
        return try LibvirtCall.number(what, name, within: seconds) { body(handle.pointer) }
    }
}
