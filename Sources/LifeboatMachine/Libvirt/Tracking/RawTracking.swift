internal import Glibc
public import LifeboatCore
internal import LifeboatSystem
internal import LifeboatVolume

/// Lets QEMU keep a record of changes for a raw disk of a domain that is shut off.
///
/// The disk becomes a qcow2 file that holds nothing but metadata, with the raw file or device as its
/// data file. The bytes stay where they are, and as they are, at every moment: a raw image.
public struct RawTracking: Sendable {
    public let uri: String
    /// The domain's name or UUID.
    public let domain: String
    /// Its target, such as `vdb`.
    public let disk: String

    /// What has been done.
    public struct Outcome: Sendable, Equatable {
        public var machine: String
        public var disk: String
        /// The metadata file.
        public var metadata: String
        /// The raw file or device.
        public var data: String
        public var isTracked: Bool
    }

    /// The first version that knows of data files, and so lets a confined QEMU open them.
    static let dataStoreVersion = LibvirtVersion(10, 10)
    private static let metadataEnding = ".lifeboat.qcow2"

    public init(domain: String, disk: String, uri: String = LibvirtConnection.systemURI) {
        self.domain = domain
        self.disk = disk
        self.uri = uri
    }

    // MARK: there

    /// Makes the disk trackable.
    ///
    /// - Parameter metadata: the metadata file; beside a disk that is a file when `nil`.
    /// - Throws: `.refused` with what to do where it cannot be, `.unsupported` where libvirt is too
    ///   old for the way this host runs QEMU. Nothing has changed then.
    public func track(metadata: String?) throws(LifeboatError) -> Outcome {
        let found = try find()
        let place = try rawPlace(found)
        let path = try metadataPath(metadata, place)
        let version = try found.connection.version()
        try Self.checkAccess(
            capabilities: try found.connection.capabilities(), version: version, place.path)
        let size = try Self.size(place)
        try Self.makeMetadata(path, data: place.path, size: size)
        do throws(LifeboatError) {
            try Self.copyOwner(of: place, to: path)
            try Self.check(path, data: place.path, size: size)
            let changed = try TrackedDefinition(
                disk: disk, namesData: version >= Self.dataStoreVersion
            ).tracked(found.text, metadata: path, data: place)
            try define(changed, found) { $0.source == path && $0.format == "qcow2" }
        } catch {
            try? Files.remove(path)
            throw error
        }
        return Outcome(
            machine: found.domain.name, disk: disk, metadata: path, data: place.path,
            isTracked: true)
    }

    // MARK: and back

    /// Makes a tracked disk a raw one again, and removes its metadata file.
    public func untrack() throws(LifeboatError) -> Outcome {
        let found = try find()
        let name = found.domain.name
        guard found.disk.format == "qcow2", found.disk.kind == "file",
            let metadata = found.disk.source, let data = try Self.dataFile(of: metadata)
        else {
            throw LifeboatError(
                .refused, "the disk \(disk) of \(name) is not one that `machines track` made",
                subject: name, advice: "`lifeboat machines` lists what each disk is")
        }
        let place = TrackedDefinition.Place(path: data, isBlock: try Self.isBlockDevice(data))
        let changed = try TrackedDefinition(disk: disk, namesData: false)
            .untracked(found.text, data: place)
        try define(changed, found) { $0.source == data && $0.format == "raw" }
        try Files.remove(metadata)
        return Outcome(
            machine: name, disk: disk, metadata: metadata, data: data, isTracked: false)
    }

    // MARK: looking

    private struct Found {
        var connection: LibvirtConnection
        var domain: LibvirtDomain
        var text: String
        var disk: DomainXML.Disk
    }

    private func find() throws(LifeboatError) -> Found {
        guard HypervisorAddress(uri).way == .local else {
            throw LifeboatError(
                .unsupported, "the disks of another host cannot be changed from here",
                subject: uri, advice: "run this on that host")
        }
        let connection = try LibvirtConnection(uri: uri)
        let found = try LibvirtMachine.find(domain, connection)
        let name = found.name
        guard try found.isPersistent() else {
            throw LifeboatError(
                .refused, "\(name) has no lasting definition to change", subject: name,
                advice: "change the definition that it is created from")
        }
        guard try !found.isActive() else {
            throw LifeboatError(
                .refused, "\(name) runs", subject: name,
                advice: "shut it down, do this, and start it again")
        }
        guard try !found.hasManagedSave() else {
            throw LifeboatError(
                .refused, "the memory of \(name) is saved, and goes on with the disks as they are",
                subject: name, advice: "start it and shut it down first")
        }
        let text = try found.xml([.secure, .inactive])
        let xml = try DomainXML(parsing: text, subject: name)
        guard let disk = xml.disks.first(where: { $0.target == disk }) else {
            throw LifeboatError(
                .missing, "\(name) has no disk \(disk)", subject: name,
                advice: "it has " + xml.disks.map(\.target).sorted().joined(separator: ", "))
        }
        return Found(connection: connection, domain: found, text: text, disk: disk)
    }

    private func rawPlace(_ found: Found) throws(LifeboatError) -> TrackedDefinition.Place {
        let name = found.domain.name
        let disk = found.disk
        func refuse(_ why: String, _ advice: String) -> LifeboatError {
            LifeboatError(
                .refused, "the disk \(disk.target) of \(name) \(why)", subject: name,
                advice: advice)
        }
        if let why = LibvirtMachine.omission(disk) {
            throw refuse("is not backed up: \(why)", "choose another disk")
        }
        guard disk.format == "raw" else {
            throw refuse(
                disk.format == "qcow2" ? "keeps a record of changes already" : "is \(disk.format)",
                "only raw disks are made trackable")
        }
        guard disk.kind == "file" || disk.kind == "block", let path = disk.source else {
            throw refuse("is on \(disk.kind) storage", "only files and block devices are tracked")
        }
        guard !disk.isShareable else {
            throw refuse("is shared", "what another machine writes would be in no record")
        }
        let whole = Files.realPath(path) ?? path
        for other in try found.connection.domains() {
            let xml = try DomainXML(parsing: try other.xml([.inactive]), subject: other.name)
            let others = xml.disks.filter {
                $0.target != disk.target || other.uuid != found.domain.uuid
            }
            let paths = others.flatMap { [$0.source, $0.dataFile].compactMap(\.self) + $0.backing }
            if paths.contains(where: { (Files.realPath($0) ?? $0) == whole }) {
                throw refuse("is one of \(other.name) too", "give each machine a disk of its own")
            }
        }
        return .init(path: Files.absolute(path), isBlock: disk.kind == "block")
    }

    private func metadataPath(
        _ wanted: String?, _ place: TrackedDefinition.Place
    ) throws(LifeboatError) -> String {
        guard let path = wanted ?? (place.isBlock ? nil : place.path + Self.metadataEnding) else {
            throw LifeboatError(
                .usage, "\(place.path) is a device, which has no place for a file beside it",
                subject: place.path,
                advice: "say with --metadata where it is to be, such as "
                    + "/var/lib/libvirt/images/\(disk)\(Self.metadataEnding)")
        }
        let whole = Files.absolute(path)
        guard !Files.exists(whole) else {
            throw LifeboatError(
                .exists, "\(whole) is there already", subject: whole,
                advice: "remove it if no machine uses it, or give another with --metadata")
        }
        return whole
    }

    /// Whether QEMU will get to the data file, which older versions of libvirt know nothing of.
    static func checkAccess(
        capabilities: String, version: LibvirtVersion, _ data: String
    ) throws(LifeboatError) {
        guard version < dataStoreVersion else { return }
        let models = XMLTree.parse(capabilities)?["host"]?.all("secmodel") ?? []
        var hindrance: String?
        for model in models {
            let name = model["model"]?.text ?? ""
            if ["apparmor", "selinux"].contains(name) { hindrance = "\(name) confines QEMU" }
            guard name == "dac" else { continue }
            let labels = model.all("baselabel").map(\.text)
            let users = labels.compactMap { label in
                label.split(separator: ":").first.flatMap { UInt32($0.drop { $0 == "+" }) }
            }
            var status = stat()
            guard stat(data, &status) == 0 else { continue }
            for user in users where user != 0 {
                // libvirt gives disks back to root when a domain has stopped.
                guard status.st_uid != user || status.st_mode & 0o600 != 0o600 else { continue }
                hindrance = "QEMU runs as user \(user), whose file \(data) is not"
            }
        }
        guard let hindrance else { return }
        throw LifeboatError(
            .unsupported, "libvirt \(version) does not let QEMU open a disk's data file",
            subject: data, cause: hindrance,
            advice: "libvirt \(dataStoreVersion.major).\(dataStoreVersion.minor) or newer does; "
                + "until then the disk is read whole, and only what changed is stored")
    }

    // MARK: changing

    private func define(
        _ xml: String, _ found: Found, _ isRight: (DomainXML.Disk) -> Bool
    ) throws(LifeboatError) {
        guard try !found.domain.isActive() else {
            throw LifeboatError(
                .refused, "\(found.domain.name) was started just now", subject: found.domain.name,
                advice: "shut it down, do this, and start it again")
        }
        let defined = try found.connection.defineDomain(xml: xml)
        do throws(LifeboatError) {
            let now = try DomainXML(parsing: try defined.xml([.inactive]), subject: defined.name)
            guard let changed = now.disks.first(where: { $0.target == disk }), isRight(changed)
            else {
                throw LifeboatError(
                    .unsupported, "libvirt has not taken over the disk \(disk) as it should be",
                    subject: defined.name)
            }
        } catch {
            _ = try? found.connection.defineDomain(xml: found.text)
            throw error
        }
    }

    private static func makeMetadata(
        _ path: String, data: String, size: UInt64
    ) throws(LifeboatError) {
        // QEMU makes the data file that it is told of; so it is told of another one at first.
        let substitute = path + ".data"
        guard !Files.exists(substitute) else {
            throw LifeboatError(.exists, "\(substitute) is in the way", subject: substitute)
        }
        defer { try? Files.remove(substitute) }
        do throws(LifeboatError) {
            try ImageTool.create(
                path, format: .qcow2, size: size,
                options: ["-o", "data_file=\(quoted(substitute)),data_file_raw=on"])
            try ImageTool.amend(
                path, format: .qcow2, options: "data_file=\(quoted(data)),data_file_raw=on")
        } catch {
            try? Files.remove(path)
            throw error
        }
    }

    /// In QEMU's options a comma is written twice.
    private static func quoted(_ path: String) -> String {
        path.split(separator: ",", omittingEmptySubsequences: false).joined(separator: ",,")
    }

    private static func check(
        _ path: String, data: String, size: UInt64
    ) throws(LifeboatError) {
        let image = try ImageTool.information(path, format: "qcow2", isShared: false)
        guard image.size == size, image.dataFile == data, image.hasRawDataFile else {
            throw LifeboatError(
                .unsupported, "qemu-img has not made \(path) as it should be", subject: path,
                advice: "this needs qemu-img 6.0 or newer")
        }
    }

    /// The raw data file of an image; `nil` for any other image.
    private static func dataFile(of path: String) throws(LifeboatError) -> String? {
        let image = try ImageTool.information(path, format: "qcow2")
        return image.hasRawDataFile && image.backing == nil ? image.dataFile : nil
    }

    private static func isBlockDevice(_ path: String) throws(LifeboatError) -> Bool {
        var status = stat()
        guard stat(path, &status) == 0 else {
            throw .system("cannot look at \(path)", path: path, number: errno)
        }
        return status.st_mode & S_IFMT == S_IFBLK
    }

    private static func size(_ place: TrackedDefinition.Place) throws(LifeboatError) -> UInt64 {
        let size = try ImageTool.information(place.path, format: "raw", isShared: false).size
        let bytes = place.isBlock ? size : try Files.size(place.path) ?? 0
        guard size > 0, bytes == size, size % 512 == 0 else {
            throw LifeboatError(
                .refused, "\(place.path) has \(bytes) bytes, which is no whole number of sectors",
                subject: place.path, advice: "make it larger: `truncate --size=%512 FILE`")
        }
        return size
    }

    private static func copyOwner(
        of place: TrackedDefinition.Place, to path: String
    ) throws(LifeboatError) {
        guard !place.isBlock else { return }
        var status = stat()
        guard stat(place.path, &status) == 0 else {
            throw .system("cannot look at \(place.path)", path: place.path, number: errno)
        }
        guard chown(path, status.st_uid, status.st_gid) == 0,
            chmod(path, status.st_mode & 0o777) == 0
        else { throw .system("cannot give \(path) to the disk's owner", path: path, number: errno) }
    }
}
