import Foundation

/// The files of the project.
enum Tree {
    /// The package's folder.
    static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    struct Source: CustomStringConvertible, Sendable {
        /// From the package's folder.
        let path: String
        let lines: [String]
        var description: String { path }

        /// The folder below `Sources` or `Tests`.
        var module: String { String(path.split(separator: "/").dropFirst().first ?? "") }
    }

    /// All files below `folder` whose names end with `ending`, in order.
    static func files(_ folder: String, ending: String) throws -> [String] {
        let start = root.appendingPathComponent(folder)
        guard FileManager.default.fileExists(atPath: start.path) else { return [] }
        return try FileManager.default.subpathsOfDirectory(atPath: start.path)
            .filter { $0.hasSuffix(ending) && !$0.contains(".build/") }
            .map { folder + "/" + $0 }.sorted()
    }

    static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
    }

    static func sources(_ folder: String) throws -> [Source] {
        try files(folder, ending: ".swift").map { path in
            Source(path: path, lines: try text(path).components(separatedBy: "\n"))
        }
    }

    static func exists(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: root.appendingPathComponent(path).path)
    }
}
