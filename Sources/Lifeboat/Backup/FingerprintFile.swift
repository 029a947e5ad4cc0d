import LifeboatArchive
import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatSystem

/// Fingerprints of a volume's chunks, so that an unhinted run need not hash what did not change.
///
/// A chunk whose GMAC under this file's secret key is the one it had when the parent was made
/// gets its id from the parent's map. The file is bound to the parent's map, the volume's size and
/// the chunk size, and worthless on any mismatch. It stays on this host. Bound and assumptions:
/// formats/threat-model.md.
///
/// Layout: header of 4,096 bytes (magic, key, root, levels, size, chunk size), then 16 bytes a
/// chunk; zero chunks have the tag zero.
final class FingerprintFile: @unchecked Sendable {
    private static let magic = Array("LBFP0000".utf8)
    private static let headerByteCount = 4096
    private static let tagByteCount = 16

    let key: SecretBytes
    private let file: File
    private let path: String

    private init(key: SecretBytes, file: File, path: String) {
        self.key = key
        self.file = file
        self.path = path
    }

    static func path(_ directories: LocalDirectories, machine: String, volume: String) -> String {
        let name = SHA256Hash.digest(Array((machine + "\u{0}" + volume).utf8)).hex.prefix(32)
        return directories.fingerprints + "/" + name
    }

    /// Opens the fingerprints of a parent; `nil` when there are none that fit it exactly.
    static func open(
        _ path: String, root: BlockMapRoot, size: UInt64, chunkSize: Int
    ) -> FingerprintFile? {
        guard !root.id.isZero, let file = try? File(path: path, access: .readWrite),
            let header = readHeader(file),
            Array(header[0..<8]) == magic,
            Array(header[40..<headerEnd]) == binding(root, size, chunkSize)
        else { return nil }
        return FingerprintFile(key: SecretBytes(Array(header[8..<40])), file: file, path: path)
    }

    private static let headerEnd = 40 + 32 + 1 + 8 + 8

    private static func readHeader(_ file: File) -> [UInt8]? {
        var header = [UInt8](repeating: 0, count: headerByteCount)
        let count = try? header.withMutableBytes { raw throws(LifeboatError) in
            try file.read(at: 0, into: raw)
        }
        return count == headerByteCount ? header : nil
    }

    private static func binding(_ root: BlockMapRoot, _ size: UInt64, _ chunkSize: Int) -> [UInt8] {
        var bytes = root.id.bytes + [UInt8(root.levels)]
        LittleEndian.append(size, to: &bytes)
        LittleEndian.append(UInt64(chunkSize), to: &bytes)
        return bytes
    }

    /// Begins new fingerprints beside `path`; they take its place when they are kept.
    static func create(_ path: String, key: SecretBytes?) throws(LifeboatError) -> FingerprintFile {
        let new = path + LocalDirectories.unfinishedMark + Identifier.random().hex
        let file = try File(path: new, access: .createNew)
        _ = try? file.lock(exclusive: true, wait: false)
        return FingerprintFile(key: key ?? SecretBytes.random(count: 32), file: file, path: new)
    }

    /// The tags of `count` chunks; zeros beyond the end.
    func tags(from first: UInt64, count: Int) throws(LifeboatError) -> [FingerprintTag] {
        var bytes = [UInt8](repeating: 0, count: count * Self.tagByteCount)
        _ = try bytes.withMutableBytes { raw throws(LifeboatError) in
            try file.read(at: Self.offset(first), into: raw)
        }
        return bytes.withUnsafeBytes { raw in
            (0..<count).map {
                FingerprintTag(
                    low: raw.loadUnaligned(fromByteOffset: $0 * 16, as: UInt64.self),
                    high: raw.loadUnaligned(fromByteOffset: $0 * 16 + 8, as: UInt64.self))
            }
        }
    }

    func write(_ tags: [FingerprintTag], from first: UInt64) throws(LifeboatError) {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(tags.count * Self.tagByteCount)
        for tag in tags {
            withUnsafeBytes(of: tag.low) { bytes.append(contentsOf: $0) }
            withUnsafeBytes(of: tag.high) { bytes.append(contentsOf: $0) }
        }
        try bytes.withBytes { raw throws(LifeboatError) in
            try file.write(at: Self.offset(first), raw)
        }
    }

    private static func offset(_ chunk: UInt64) -> UInt64 {
        UInt64(headerByteCount) + chunk * UInt64(tagByteCount)
    }

    /// Makes an existing file worthless before it is changed in place.
    func invalidate() throws(LifeboatError) {
        try writeHeader(binding: [UInt8](repeating: 0, count: Self.headerEnd - 40))
        try file.sync()
    }

    private func writeHeader(binding: [UInt8]) throws(LifeboatError) {
        var header = Self.magic
        key.withBytes { header.append(contentsOf: $0) }
        header += binding
        header += [UInt8](repeating: 0, count: Self.headerByteCount - header.count)
        try header.withBytes { raw throws(LifeboatError) in try file.write(at: 0, raw) }
    }

    /// Binds the fingerprints to the point that was just committed, and puts them in place.
    func keep(
        at final: String, root: BlockMapRoot, size: UInt64, chunkSize: Int
    ) throws(LifeboatError) {
        try file.sync()
        try writeHeader(binding: Self.binding(root, size, chunkSize))
        if path != final { try Files.rename(from: path, to: final) }
    }

    /// Removes what was begun and not kept.
    func drop() { try? Files.remove(path) }
}
