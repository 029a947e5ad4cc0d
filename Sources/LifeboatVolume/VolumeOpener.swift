public import LifeboatCore
internal import LifeboatSystem

/// What the name of a volume's source or target stands for.
public enum VolumeLocation: Sendable, Hashable {
    /// A file or block device, byte by byte.
    case file(String)
    /// The disk in an image file.
    case image(String, ImageFormat)
    /// An export of an NBD server.
    case export(String)

    private static let schemes = [
        "nbd", "nbds", "nbd+unix", "nbds+unix", "nbd+vsock", "nbds+vsock",
    ]

    /// Decides by the name alone.
    public init(_ name: String) {
        let scheme = name.prefix { $0 != ":" }
        if Self.schemes.contains(String(scheme)), name.dropFirst(scheme.count).hasPrefix("://") {
            self = .export(name)
        } else if let format = ImageFormat(nameOf: name) {
            self = .image(name, format)
        } else {
            self = .file(name)
        }
    }
}

/// Opens volumes by what their names stand for.
public enum VolumeOpener {
    /// Opens a file, a block device, an image or an NBD export.
    ///
    /// A name with an ending such as `.qcow2` stands for the disk in the image where it is a
    /// regular file's.
    public static func open(source: String) throws(LifeboatError) -> any VolumeReader {
        switch VolumeLocation(source) {
        case .export(let uri): return try NBDVolume(uri: uri)
        case .image(let path, let format) where isRegularFile(path):
            return try ImageFileVolume(path: path, format: format)
        case .image(let path, _), .file(let path): return try FileVolume(path: path)
        }
    }

    /// What should be known of a source; each one sentence.
    public static func notes(source: String) -> [String] {
        let path: String
        switch VolumeLocation(source) {
        case .export: return []
        case .image(let name, _):
            if isRegularFile(name) { return [] }
            path = name
        case .file(let name): path = name
        }
        guard let format = ImageFormat(contentOf: path) else { return [] }
        return [
            "\(path) holds a \(format.rawValue) image, and its name does not say so: the image's "
                + "bytes are backed up, not those of the disk in it; a name that ends in "
                + ".\(format.rawValue) changes that"
        ]
    }

    private static func isRegularFile(_ path: String) -> Bool {
        (try? File(path: path, access: .read).kind) == .regular
    }
}
