public import LifeboatCore

/// What `qemu-img` says of a disk image.
public struct ImageInformation: Sendable, Hashable {
    /// A record of changes in a qcow2 image.
    public struct Bitmap: Sendable, Hashable {
        public var name: String
        /// Whether it has recorded every change: it is switched on, and was put away in order when
        /// a machine last had the image open.
        public var isReliable: Bool
    }

    /// As QEMU names it, such as `qcow2`; `raw` where it says none.
    public var format: String
    /// Bytes of the disk in it.
    public var size: UInt64
    /// What it is an overlay of, as the image names it; `nil` where it stands alone.
    public var backing: String?
    public var bitmaps: [Bitmap]
    /// Whether QEMU can keep bitmaps in it: qcow2 of the newer version.
    public var keepsBitmaps: Bool
    /// Internal snapshots.
    public var snapshotCount: Int
    /// Where its bytes are, for an image that holds nothing but metadata.
    public var dataFile: String?
    /// Whether the data file is a raw image by itself.
    public var hasRawDataFile: Bool

    /// Reads the answer of `qemu-img info --output=json`.
    ///
    /// - Throws: `.damaged` where it is none.
    public init(parsing answer: [UInt8]) throws(LifeboatError) {
        let value = try JSON(parsing: answer, subject: ImageTool.program)
        let details = value["format-specific"]?["data"]
        format = value["format"]?.text ?? "raw"
        size = UInt64(clamping: value["virtual-size"]?.integer ?? 0)
        backing = value["backing-filename"]?.text
        bitmaps = (details?["bitmaps"]?.list ?? []).compactMap { bitmap in
            guard let name = bitmap["name"]?.text else { return nil }
            let flags = (bitmap["flags"]?.list ?? []).compactMap(\.text)
            return Bitmap(
                name: name, isReliable: flags.contains("auto") && !flags.contains("in-use"))
        }
        keepsBitmaps = format == "qcow2" && details?["compat"]?.text != "0.10"
        snapshotCount = value["snapshots"]?.list?.count ?? 0
        dataFile = details?["data-file"]?.text
        hasRawDataFile = details?["data-file-raw"]?.flag == true
    }
}
