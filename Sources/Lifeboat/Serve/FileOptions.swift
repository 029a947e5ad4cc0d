public import LifeboatCore

/// Which files of a volume are meant.
public struct FileOptions: Sendable {
    public var serve: ServeOptions
    public var volume: String
    /// A file or a directory.
    public var path = "/"
    /// The partition's number as Linux counts; `nil` where there is only one place to look.
    public var partition: Int?
    /// Where files go; `nil` only lists.
    public var target: String?
    /// Seconds after which a virtual machine that does not start is started again without KVM;
    /// when `nil`, 120, and 900 where there is no KVM.
    public var applianceSeconds: Double?

    public init(serve: ServeOptions, volume: String) {
        self.serve = serve
        self.volume = volume
    }
}

/// A name in a directory of a volume.
public struct FileEntry: Sendable, Hashable {
    public var name: String
    /// Its type and permissions as `ls` writes them, such as `-rw-r--r--`.
    public var mode: String
    /// Bytes.
    public var size: UInt64

    public init(name: String, mode: String, size: UInt64) {
        self.name = name
        self.mode = mode
        self.size = size
    }
}

/// What was found.
public struct FileListing: Sendable {
    public var point: Digest
    public var volume: String
    /// The partition; `nil` where the file system has the whole volume.
    public var partition: Int?
    public var fileSystem: String
    public var path: String
    public var entries: [FileEntry]
    /// Where the files were copied to.
    public var target: String?
}
