internal import LifeboatCore
internal import LifeboatSystem

/// The file that describes this host's links, read again when it changes.
struct LinkFile: Sendable {
    /// Its links as they were last read without a fault.
    private(set) var book = LinkBook.none
    private let paths: [String]
    private var seen: Seen?

    private struct Seen: Equatable {
        var path: String
        var stamp: FileStamp
    }

    private static let limit = 1 << 20

    /// Reads the first of the files that exists.
    /// - Throws: `.missing` if one is needed and none exists.
    init(_ options: NetworkOptions) throws(LifeboatError) {
        paths = options.linkFiles
        guard let found = find() else {
            guard options.needsLinkFile else { return }
            throw LifeboatError(
                .missing, "there is no file of links at \(paths.first ?? "all")",
                subject: paths.first, advice: "name another one, or none")
        }
        seen = found
        book = try Self.read(found.path)
    }

    /// Where the links are described; `nil` if nowhere.
    var path: String? { seen?.path }

    /// Reads it again if it changed or if it `must`; after a fault what it said before holds on.
    mutating func refresh(must: Bool) throws(LifeboatError) {
        let found = find()
        guard must || found != seen else { return }
        guard let found else {
            let old = seen
            seen = nil
            guard let old else { return }
            throw LifeboatError(
                .missing, "the file of links is gone; what it said holds on", subject: old.path)
        }
        // Told once for each change, however often it is looked at.
        seen = found
        book = try Self.read(found.path)
    }

    private func find() -> Seen? {
        for path in paths {
            if let stamp = FileStamp(path) { return Seen(path: path, stamp: stamp) }
        }
        return nil
    }

    private static func read(_ path: String) throws(LifeboatError) -> LinkBook {
        try LinkBook(parsing: try Files.readWhole(path, limit: limit), path: path)
    }
}
