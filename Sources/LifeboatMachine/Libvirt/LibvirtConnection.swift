internal import CLibvirt
internal import Glibc
public import LifeboatCore
internal import LifeboatSystem

/// A connection to a hypervisor's libvirt.
///
/// Every call returns or throws within its deadline. Safe from many threads.
public final class LibvirtConnection: Sendable {
    /// The URI of the host's own hypervisor, as root has it.
    public static let systemURI = "qemu:///system"

    public let uri: String
    let handle: LibvirtHandle

    /// Opens a connection.
    ///
    /// - Throws: `.unavailable` where nothing answers, `.denied` where it may not be used.
    public init(
        uri: String = LibvirtConnection.systemURI, isReadOnly: Bool = false,
        timeoutSeconds: Double = 60
    ) throws(LifeboatError) {
        self.uri = uri
        guard LibvirtEventLoop.isRunning else {
            throw LifeboatError(.internalFault, "libvirt's event loop cannot be set up")
        }
        do throws(LifeboatError) {
            handle = try LibvirtCall.run(
                "connecting to libvirt", uri, within: timeoutSeconds
            ) {
                let pointer = isReadOnly ? virConnectOpenReadOnly(uri) : virConnectOpen(uri)
                guard let pointer else { return nil }
                // Some drivers have no keepalive; they are in this process.
                _ = virConnectSetKeepAlive(pointer, 5, 3)
                return LibvirtHandle(pointer) { virConnectClose($0) }
            }
        } catch {
            throw LifeboatError(
                error.code, error.message, subject: uri, cause: error.cause,
                advice: error.code == .denied
                    ? "run as root, or as a member of the group libvirt"
                    : "check that libvirtd runs and that the URI is right")
        }
    }

    /// Whether the daemon still answers.
    public var isAlive: Bool { virConnectIsAlive(handle.pointer) == 1 }

    /// The daemon's version, such as `9.0.0`.
    public func version() throws(LifeboatError) -> LibvirtVersion {
        let handle = handle
        return try LibvirtCall.run("asking for libvirt's version", uri) {
            var number: UInt = 0
            return virConnectGetLibVersion(handle.pointer, &number) < 0
                ? nil : LibvirtVersion(number: number)
        }
    }

    /// QEMU's version, such as `7.2.22`.
    public func hypervisorVersion() throws(LifeboatError) -> LibvirtVersion {
        let handle = handle
        return try LibvirtCall.run("asking for the hypervisor's version", uri) {
            var number: UInt = 0
            return virConnectGetVersion(handle.pointer, &number) < 0
                ? nil : LibvirtVersion(number: number)
        }
    }

    /// The name of the host that the daemon runs on.
    public func hostName() throws(LifeboatError) -> String {
        let handle = handle
        return try LibvirtCall.text("asking for the host's name", uri) {
            virConnectGetHostname(handle.pointer)
        }
    }

    /// What the host can do, as XML.
    public func capabilities() throws(LifeboatError) -> String {
        let handle = handle
        return try LibvirtCall.text("asking for capabilities", uri) {
            virConnectGetCapabilities(handle.pointer)
        }
    }

    // MARK: domains

    /// All domains, running or not, by name.
    public func domains() throws(LifeboatError) -> [LibvirtDomain] {
        let handle = handle
        let handles = try LibvirtCall.run("listing domains", uri) {
            var list: UnsafeMutablePointer<OpaquePointer?>?
            let count = virConnectListAllDomains(handle.pointer, &list, 0)
            return LibvirtCall.take(count, list) { virDomainFree($0) }
        }
        return handles.map { LibvirtDomain(handle: $0, connection: self) }
            .sorted { $0.name < $1.name }
    }

    /// - Throws: `.missing`.
    public func domain(name: String) throws(LifeboatError) -> LibvirtDomain {
        let handle = handle
        return try domain("looking for the domain \(name)", name) {
            virDomainLookupByName(handle.pointer, name)
        }
    }

    /// - Throws: `.missing`.
    public func domain(uuid: String) throws(LifeboatError) -> LibvirtDomain {
        let handle = handle
        return try domain("looking for the domain \(uuid)", uuid) {
            virDomainLookupByUUIDString(handle.pointer, uuid)
        }
    }

    /// Defines a domain that stays when it is shut off, or changes one.
    public func defineDomain(xml: String) throws(LifeboatError) -> LibvirtDomain {
        let handle = handle
        return try domain("defining a domain", uri) {
            virDomainDefineXMLFlags(handle.pointer, xml, 0)
        }
    }

    /// Starts a transient domain.
    public func createDomain(
        xml: String, isPaused: Bool = false, timeoutSeconds: Double = 120
    ) throws(LifeboatError) -> LibvirtDomain {
        let handle = handle
        let flags = isPaused ? VIR_DOMAIN_START_PAUSED.rawValue : 0
        return try domain("creating a domain", uri, within: timeoutSeconds) {
            virDomainCreateXML(handle.pointer, xml, flags)
        }
    }

    private func domain(
        _ what: String, _ subject: String, within seconds: Double = LibvirtCall.defaultSeconds,
        _ body: @escaping @Sendable () -> OpaquePointer?
    ) throws(LifeboatError) -> LibvirtDomain {
        let handle = try LibvirtCall.run(what, subject, within: seconds) {
            body().map { LibvirtHandle($0) { virDomainFree($0) } }
        }
        return LibvirtDomain(handle: handle, connection: self)
    }
}

/// A version of libvirt or of QEMU.
public struct LibvirtVersion: Sendable, Hashable, Comparable, CustomStringConvertible {
    public var major: Int
    public var minor: Int
    public var release: Int

    public init(_ major: Int, _ minor: Int, _ release: Int = 0) {
        self.major = major
        self.minor = minor
        self.release = release
    }

    init(number: UInt) {
        self.init(Int(number / 1_000_000), Int(number / 1000 % 1000), Int(number % 1000))
    }

    public var description: String { "\(major).\(minor).\(release)" }

    public static func < (left: LibvirtVersion, right: LibvirtVersion) -> Bool {
        (left.major, left.minor, left.release) < (right.major, right.minor, right.release)
    }
}
