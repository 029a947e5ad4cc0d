import Lifeboat
import LifeboatCore

/// Reads the VOLUME arguments of `backup`: `NAME=SOURCE`, or a SOURCE named by its base name.
///
/// The first `=` splits. A path that has one is protected by a leading `./`; that of an NBD export's
/// URI needs no protection.
enum VolumeArgument {
    /// A name's limit in UTF-8 bytes: it must do as a file's name when a point is restored.
    static let nameLimit = 255
    /// The name of standard input where none is given.
    static let standardInputName = "stdin"

    static func parse(_ text: String) throws(LifeboatError) -> BackupOptions.Source {
        if text == "-" { return BackupOptions.Source(name: standardInputName, path: "-") }
        if text.isEmpty { throw LifeboatError(.usage, "a volume must not be empty") }
        if isExport(text) {
            let path = text.prefix { $0 != "?" }
            return BackupOptions.Source(
                name: try checked(baseName(String(path.drop { $0 != "/" })), in: text), path: text)
        }
        guard !text.hasPrefix("./"), let equals = text.firstIndex(of: "=") else {
            return BackupOptions.Source(name: try checked(baseName(text), in: text), path: text)
        }
        let path = String(text[text.index(after: equals)...])
        if path.isEmpty {
            throw LifeboatError(.usage, "no source after the = of volume \(text)", subject: text)
        }
        let name = try checked(String(text[..<equals]), in: text)
        return BackupOptions.Source(name: name, path: path)
    }

    /// All volumes of one point; names must differ, and standard input can be read only once.
    static func parse(_ texts: [String]) throws(LifeboatError) -> [BackupOptions.Source] {
        var sources: [BackupOptions.Source] = []
        for text in texts {
            let source = try parse(text)
            if let other = sources.first(where: { $0.name == source.name }) {
                throw LifeboatError(
                    .usage, "\(other.path) and \(source.path) would both be volume \(source.name)",
                    subject: source.name, advice: "give one another name: NAME=\(source.path)")
            }
            if source.path == "-", sources.contains(where: { $0.path == "-" }) {
                throw LifeboatError(.usage, "standard input can be only one volume")
            }
            sources.append(source)
        }
        return sources
    }

    /// Whether it is the URI of an NBD export, whose `=` splits nothing.
    private static func isExport(_ text: String) -> Bool {
        ["nbd", "nbds", "nbd+unix", "nbds+unix", "nbd+vsock", "nbds+vsock"].contains {
            text.hasPrefix($0 + "://")
        }
    }

    private static func baseName(_ path: String) -> String {
        path.split(separator: "/").last.map(String.init) ?? ""
    }

    private static func checked(_ name: String, in text: String) throws(LifeboatError) -> String {
        if name.contains("/") {
            throw LifeboatError(
                .usage, "a volume's name has no slash, but that of \(text) would be \(name)",
                subject: text, advice: "write NAME=\(text), or ./ before a path that has a =")
        }
        guard !name.isEmpty, name != ".", name != "..", name.utf8.count <= nameLimit,
            !name.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F })
        else {
            throw LifeboatError(
                .usage, "volume \(text) has no usable name", subject: text,
                advice: "write NAME=SOURCE with a name of 1 to \(nameLimit) bytes")
        }
        return name
    }
}
