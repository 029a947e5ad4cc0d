internal import CLinux
internal import Glibc
public import LifeboatCore

/// An open file, device or pipe; the descriptor is closed with the object.
///
/// Reads and writes at an offset may come from many threads at once; `append`, `readNext` and
/// `dataExtents` move the file position and belong to one thread at a time.
public final class File: @unchecked Sendable {
    /// How a file is opened.
    public enum Access: Sendable {
        case read
        /// Past the page cache: offset, count and address must be aligned.
        case readDirect
        case readWrite
        /// Past the page cache, for writing: offset, count and address must be aligned.
        case writeDirect
        /// Makes a file for its owner alone; `.exists` if the name is taken.
        case createNew
        /// Makes a file that others may read; `.exists` if the name is taken.
        case createNewPublic
        /// A block device that nothing else may claim: refused while it is mounted.
        case writeExclusiveDevice
    }

    /// What a descriptor leads to.
    public enum Kind: Sendable {
        case regular, blockDevice, characterDevice, pipe, other
    }

    /// The name it was opened by, for messages.
    public let path: String
    /// The descriptor; valid as long as the object lives.
    public let descriptor: Int32
    /// What the file is.
    public let kind: Kind
    let isDirect: Bool
    private let isOwned: Bool

    /// Opens a file.
    public init(path: String, access: Access) throws(LifeboatError) {
        let how: Int
        var mode: mode_t = 0o600
        switch access {
        case .read: how = LIFEBOAT_OPEN_READ
        case .readDirect: how = LIFEBOAT_OPEN_READ_DIRECT
        case .readWrite: how = LIFEBOAT_OPEN_READ_WRITE
        case .writeDirect: how = LIFEBOAT_OPEN_WRITE_DIRECT
        case .createNew: how = LIFEBOAT_OPEN_CREATE_NEW
        case .createNewPublic:
            how = LIFEBOAT_OPEN_CREATE_NEW
            mode = 0o644
        case .writeExclusiveDevice: how = LIFEBOAT_OPEN_EXCLUSIVE_DEVICE
        }
        descriptor = lifeboat_open(path, Int32(how), mode)
        guard descriptor >= 0 else {
            throw .system("cannot open \(path)", path: path, number: errno)
        }
        self.path = path
        isDirect = access == .readDirect
        isOwned = true
        kind = Self.kind(of: descriptor)
    }

    /// Takes a descriptor that is open already; closes it in the end if it is `owned`.
    public init(descriptor: Int32, path: String, owned: Bool) {
        self.descriptor = descriptor
        self.path = path
        isDirect = false
        isOwned = owned
        kind = Self.kind(of: descriptor)
    }

    deinit {
        if isOwned { close(descriptor) }
    }

    private static func kind(of descriptor: Int32) -> Kind {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return .other }
        return switch status.st_mode & S_IFMT {
        case S_IFREG: .regular
        case S_IFBLK: .blockDevice
        case S_IFCHR: .characterDevice
        case S_IFIFO: .pipe
        default: .other
        }
    }

    /// Bytes now: of a regular file or of a block device.
    public func size() throws(LifeboatError) -> UInt64 {
        if kind == .blockDevice {
            var bytes: UInt64 = 0
            guard lifeboat_device_size(descriptor, &bytes) == 0 else {
                throw failure("cannot tell the size of", reading: true)
            }
            return bytes
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw failure("cannot tell the size of", reading: true)
        }
        return UInt64(max(0, status.st_size))
    }

    /// Cuts or extends the file.
    public func truncate(to size: UInt64) throws(LifeboatError) {
        guard let bytes = off_t(exactly: size) else {
            throw LifeboatError(.unsupported, "\(path) cannot be \(size) bytes long", subject: path)
        }
        while ftruncate(descriptor, bytes) != 0 {
            if errno != EINTR { throw failure("cannot set the size of") }
        }
    }

    /// Sets the permission bits, whatever the process's mask is.
    func setMode(_ mode: UInt32) throws(LifeboatError) {
        if fchmod(descriptor, mode_t(mode)) != 0 { throw failure("cannot set the mode of") }
    }

    /// Returns when everything written is on stable storage.
    public func sync() throws(LifeboatError) {
        while fdatasync(descriptor) != 0 {
            if errno != EINTR { throw failure("cannot write to stable storage:") }
        }
    }

    /// Locks the whole file against other holders of such locks; `false` if one of them has it.
    ///
    /// The lock goes with the descriptor, also when the process dies.
    public func lock(exclusive: Bool, wait: Bool) throws(LifeboatError) -> Bool {
        if lifeboat_lock(descriptor, exclusive ? 1 : 0, wait ? 1 : 0) == 0 { return true }
        if errno == EWOULDBLOCK { return false }
        throw failure("cannot lock")
    }

    /// Returns a lock that was taken with `lock`.
    public func unlock() { _ = flock(descriptor, LOCK_UN) }

    /// The error of the system call that failed just now.
    func failure(_ what: String, reading: Bool = false) -> LifeboatError {
        .system("\(what) \(path)", path: path, number: errno, reading: reading)
    }
}
