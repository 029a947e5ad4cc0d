public import LifeboatCore

/// What a tracker says has changed since a point: formats/changed-extents.md.
public struct ChangedExtentsText: Hashable, Sendable {
    /// The id of the point that the tracking began with.
    public var base: String
    public var volume: String
    /// Bytes of the volume now.
    public var size: UInt64
    /// Bytes; every offset is a multiple of it, every length too but for the volume's end.
    public var granularity: UInt64
    /// Ascending and apart from each other.
    public var extents: [Extent]

    /// More extents than this are no hint any more.
    public static let extentLimit = 4 << 20
    static let title = "lifeboat-changed-extents 0"

    public init(
        base: String, volume: String, size: UInt64, granularity: UInt64, extents: [Extent]
    ) {
        self.base = base
        self.volume = volume
        self.size = size
        self.granularity = granularity
        self.extents = extents
    }

    /// The file's text.
    public var text: String {
        var lines = [
            Self.title, "base \(base)", "volume \(volume)", "size \(size)",
            "granularity \(granularity)", "extents \(extents.count)",
        ]
        lines += extents.map { "\($0.offset) \($0.length)" }
        return lines.joined(separator: "\n") + "\nend\n"
    }

    /// Reads a file.
    ///
    /// - Throws: `.refused` with the line that is wrong; a hint is taken whole or not at all.
    public init(parsing text: String, subject: String) throws(LifeboatError) {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).makeIterator()
        var number = 0
        func next() throws(LifeboatError) -> Substring {
            number += 1
            guard let line = lines.next() else {
                throw LifeboatError(
                    .refused, "\(subject) ends at line \(number), before its end line",
                    subject: subject, advice: "the tool that wrote it was interrupted; run it again"
                )
            }
            return line
        }
        func fault(_ what: String) -> LifeboatError {
            LifeboatError(.refused, "line \(number) of \(subject) \(what)", subject: subject)
        }
        func field(_ key: String) throws(LifeboatError) -> String {
            let line = try next()
            guard line.hasPrefix(key + " ") else { throw fault("should be \"\(key) …\"") }
            return String(line.dropFirst(key.count + 1))
        }
        func numberField(_ key: String) throws(LifeboatError) -> UInt64 {
            guard let value = Self.number(try field(key)) else { throw fault("has no number") }
            return value
        }
        guard try next() == Self.title else { throw fault("should be \"\(Self.title)\"") }
        base = try field("base")
        volume = try field("volume")
        size = try numberField("size")
        granularity = try numberField("granularity")
        guard granularity > 0 else { throw fault("has granularity 0") }
        let count = try numberField("extents")
        guard count <= UInt64(Self.extentLimit) else { throw fault("has too many extents") }
        extents = []
        for _ in 0..<count {
            let parts = try next().split(separator: " ")
            guard parts.count == 2, let offset = Self.number(parts[0]),
                let length = Self.number(parts[1])
            else { throw fault("should be an offset and a length") }
            let extent = Extent(offset: offset, length: length)
            guard length > 0, offset <= size, length <= size - offset,
                offset.isMultiple(of: granularity),
                length.isMultiple(of: granularity) || extent.end == size
            else { throw fault("does not fit the volume and the granularity") }
            if let last = extents.last, offset < last.end {
                throw fault("overlaps the extent before it")
            }
            extents.append(extent)
        }
        guard try next() == "end" else { throw fault("should be \"end\"") }
        let rest = lines.next()
        guard rest == nil || rest == "", lines.next() == nil else {
            number += 1
            throw fault("comes after the end line")
        }
    }

    // `UInt64.init` would take a sign too.
    private static func number(_ text: some StringProtocol) -> UInt64? {
        text.utf8.allSatisfy { (48...57).contains($0) } ? UInt64(text) : nil
    }
}
