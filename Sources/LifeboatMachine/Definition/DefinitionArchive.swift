internal import Foundation
public import LifeboatCore

/// A machine's definition as the bytes of one volume: a POSIX `ustar` archive.
///
/// Source: formats/machine.md. The same definition always gives the same bytes.
public enum DefinitionArchive {
    /// The name of the archive's first file.
    public static let descriptionName = "machine.json"
    /// The greatest archive, in bytes.
    public static let sizeLimit = 1 << 30
    private static let fileLimit = 4096
    private static let block = 512
    private static let nameLimit = 100

    /// The archive's bytes.
    ///
    /// - Throws: `.refused` for a name or a size that does not fit.
    public static func encode(_ definition: MachineDefinition) throws(LifeboatError) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        guard let description = try? encoder.encode(definition.description) else {
            throw LifeboatError(.internalFault, "a machine's description cannot be written")
        }
        guard definition.files.count < fileLimit else {
            throw LifeboatError(
                .refused, "the definition has \(definition.files.count) files, which are too many")
        }
        var result: [UInt8] = []
        append(descriptionName, Array(description) + [UInt8(ascii: "\n")], to: &result)
        for (name, bytes) in definition.files.sorted(by: { $0.key < $1.key }) {
            guard isAllowed(name), name != descriptionName else {
                throw LifeboatError(
                    .refused, "\(name) cannot be the name of a file in a definition", subject: name)
            }
            guard bytes.count <= sizeLimit - result.count - 4 * block else {
                throw LifeboatError(
                    .refused, "\(name) makes the definition larger than \(sizeLimit) bytes",
                    subject: name)
            }
            append(name, bytes, to: &result)
        }
        result += [UInt8](repeating: 0, count: 2 * block)
        return result
    }

    /// Reads an archive, which may be anything.
    ///
    /// - Throws: `.damaged` where it is not one; `.unsupported` where a newer version wrote it.
    public static func decode(
        _ bytes: [UInt8], subject: String
    ) throws(LifeboatError) -> MachineDefinition {
        guard bytes.count <= sizeLimit else {
            throw damaged("it is larger than \(sizeLimit) bytes", subject)
        }
        var files: [(name: String, bytes: [UInt8])] = []
        var position = 0
        while true {
            guard bytes.count - position >= block else { throw damaged("it ends early", subject) }
            let header = Array(bytes[position..<position + block])
            if header.allSatisfy({ $0 == 0 }) { break }
            position += block
            let (name, size) = try entry(header, subject)
            guard size <= bytes.count - position else {
                throw damaged("\(name) is longer than what there is", subject)
            }
            files.append((name, Array(bytes[position..<position + size])))
            guard files.count <= fileLimit else { throw damaged("it has too many files", subject) }
            // The padding of the last file may not be cut off: the end marker follows it.
            position += (size + block - 1) / block * block
        }
        guard let first = files.first, first.name == descriptionName else {
            throw damaged("it does not begin with \(descriptionName)", subject)
        }
        let rest = files.dropFirst()
        guard Set(files.map(\.name)).count == files.count else {
            throw damaged("a name occurs twice", subject)
        }
        return MachineDefinition(
            description: try description(first.bytes, subject),
            files: Dictionary(uniqueKeysWithValues: rest.map { ($0.name, $0.bytes) }))
    }

    private struct Versioned: Decodable { var version: Int }

    private static func description(
        _ bytes: [UInt8], _ subject: String
    ) throws(LifeboatError) -> MachineDescription {
        let data = Data(bytes)
        guard let head = try? JSONDecoder().decode(Versioned.self, from: data) else {
            throw damaged("\(descriptionName) says no version", subject)
        }
        guard head.version == 1 else {
            throw LifeboatError(
                .unsupported, "the definition has version \(head.version)", subject: subject,
                advice: "use a newer Lifeboat")
        }
        guard let description = try? JSONDecoder().decode(MachineDescription.self, from: data)
        else { throw damaged("\(descriptionName) is not as it should be", subject) }
        return description
    }

    // MARK: headers

    private static func append(_ name: String, _ bytes: [UInt8], to result: inout [UInt8]) {
        var header = [UInt8](repeating: 0, count: block)
        func put(_ text: String, at offset: Int) {
            header.replaceSubrange(offset..<offset + text.utf8.count, with: text.utf8)
        }
        put(name, at: 0)
        put("0000600", at: 100)
        put("0000000", at: 108)
        put("0000000", at: 116)
        put(octal(bytes.count, digits: 11), at: 124)
        put(octal(0, digits: 11), at: 136)
        put("        ", at: 148)
        put("0", at: 156)
        put("ustar", at: 257)
        put("00", at: 263)
        put(octal(sum(header), digits: 6), at: 148)
        header[154] = 0
        result += header
        result += bytes
        let rest = bytes.count % block
        if rest > 0 { result += [UInt8](repeating: 0, count: block - rest) }
    }

    private static func entry(
        _ header: [UInt8], _ subject: String
    ) throws(LifeboatError) -> (name: String, size: Int) {
        guard Array(header[257..<262]) == Array("ustar".utf8) else {
            throw damaged("it is no ustar archive", subject)
        }
        var blanked = header
        for index in 148..<156 { blanked[index] = UInt8(ascii: " ") }
        guard number(header[148..<156]) == sum(blanked) else {
            throw damaged("a header's checksum is wrong", subject)
        }
        guard header[156] == UInt8(ascii: "0") || header[156] == 0 else {
            throw damaged("it holds something else than files", subject)
        }
        let bytes = header[0..<nameLimit].prefix { $0 != 0 }
        guard let name = String(validating: bytes, as: UTF8.self), isAllowed(name),
            header[345..<500].allSatisfy({ $0 == 0 })
        else { throw damaged("a file has a name that is not allowed", subject) }
        guard let size = number(header[124..<136]) else {
            throw damaged("\(name) has no size", subject)
        }
        return (name, size)
    }

    /// Octal digits up to a blank or zero byte.
    private static func number(_ field: ArraySlice<UInt8>) -> Int? {
        let digits = field.prefix { $0 != 0 && $0 != UInt8(ascii: " ") }
        guard !digits.isEmpty, digits.allSatisfy({ $0 >= 0x30 && $0 <= 0x37 }) else { return nil }
        return digits.reduce(0) { $0 << 3 | Int($1 - 0x30) }
    }

    private static func octal(_ value: Int, digits: Int) -> String {
        let text = String(value, radix: 8)
        return String(repeating: "0", count: max(0, digits - text.count)) + text
    }

    private static func sum(_ bytes: [UInt8]) -> Int { bytes.reduce(0) { $0 + Int($1) } }

    /// Whether a name stays below the folder that it is unpacked into, and fits.
    static func isAllowed(_ name: String) -> Bool {
        guard !name.isEmpty, name.utf8.count <= nameLimit,
            !name.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F })
        else { return false }
        return name.split(separator: "/", omittingEmptySubsequences: false)
            .allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." }
    }

    private static func damaged(_ why: String, _ subject: String) -> LifeboatError {
        LifeboatError(
            .damaged, "the machine's definition cannot be read: \(why)", subject: subject)
    }
}
