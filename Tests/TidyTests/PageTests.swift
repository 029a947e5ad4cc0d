import Foundation
import Testing

@Suite struct PageTests {
    private static func pages() throws -> [String] {
        try Tree.files("docs", ending: ".md") + Tree.files("formats", ending: ".md")
            + Tree.files("fixtures", ending: ".md")
            + ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"].filter(Tree.exists)
    }

    @Test func `links lead to files and headings`() throws {
        for page in try Self.pages() {
            let folder = page.split(separator: "/").dropLast().joined(separator: "/")
            for target in Self.links(try Tree.text(page)) {
                let parts = target.split(
                    separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
                let file = String(parts[0])
                let path = file.isEmpty ? page : folder.isEmpty ? file : folder + "/" + file
                #expect(Tree.exists(path), "\(page) links to \(target)")
                guard parts.count == 2, path.hasSuffix(".md"), Tree.exists(path) else { continue }
                let anchors = Self.anchors(try Tree.text(path))
                #expect(anchors.contains(String(parts[1])), "\(page) links to \(target)")
            }
        }
    }

    @Test func `scripts can be executed`() throws {
        let scripts =
            try ["scripts/", ".ci/"].flatMap { folder in
                try FileManager.default.contentsOfDirectory(
                    atPath: Tree.root.appendingPathComponent(folder).path
                ).map { folder + $0 }
            } + Tree.files("Tests/acceptance", ending: ".sh")
        for script in scripts where !script.contains("/.") && !script.contains("__pycache__") {
            guard try Tree.text(script).hasPrefix("#!") else { continue }
            #expect(
                FileManager.default.isExecutableFile(
                    atPath: Tree.root.appendingPathComponent(script).path), "\(script)")
        }
    }

    /// Targets of links to places in the tree, without what is in code.
    private static func links(_ text: String) -> [String] {
        var result: [String] = []
        for line in prose(text) {
            var rest = line[...]
            while let start = rest.range(of: "](") {
                rest = rest[start.upperBound...]
                guard let end = rest.firstIndex(of: ")") else { break }
                let target = String(rest[..<end])
                if !target.contains("://"), !target.hasPrefix("mailto:") { result.append(target) }
                rest = rest[end...]
            }
        }
        return result
    }

    private static func anchors(_ text: String) -> Set<String> {
        Set(
            prose(text).filter { $0.hasPrefix("#") }.map { line in
                line.drop { $0 == "#" }.trimmingCharacters(in: .whitespaces).lowercased()
                    .filter { $0.isLetter || $0.isNumber || $0 == " " || $0 == "-" || $0 == "_" }
                    .replacingOccurrences(of: " ", with: "-")
            })
    }

    /// The lines that are not in a block of code.
    private static func prose(_ text: String) -> [String] {
        var isCode = false
        return text.components(separatedBy: "\n").filter { line in
            if line.hasPrefix("```") {
                isCode.toggle()
                return false
            }
            return !isCode
        }
    }
}
