import Foundation
import Testing

@Suite struct SourceTests {
    @Test(arguments: [("Sources", 450), ("Tests", 500)])
    func `no file is too long`(folder: String, limit: Int) throws {
        for source in try Tree.sources(folder) {
            #expect(source.lines.count - 1 <= limit, "\(source)")
        }
    }

    /// What no source may say, outside of this file.
    private static let banned = [
        "try!", "as!", "fatalError(", "TO" + "DO", "FIX" + "ME", "XX" + "X",
    ]

    @Test(arguments: ["Sources", "Tests"]) func `nothing banned is in the sources`(
        folder: String
    ) throws {
        for source in try Tree.sources(folder)
        where source.path != "Tests/TidyTests/SourceTests.swift" {
            for (number, line) in source.lines.enumerated() {
                for word in Self.banned where line.contains(word) {
                    Issue.record("\(source):\(number + 1) says \(word)")
                }
            }
        }
    }

    @Test func `every public type says what it is`() throws {
        for source in try Tree.sources("Sources") {
            for (number, line) in source.lines.enumerated() where Self.isPublicType(line) {
                var above = number - 1
                while above >= 0, Self.isAttribute(source.lines[above]) { above -= 1 }
                let isDocumented =
                    above >= 0
                    && source.lines[above].trimmingCharacters(in: .whitespaces).hasPrefix("///")
                #expect(isDocumented, "\(source):\(number + 1) has no doc comment: \(line)")
            }
        }
    }

    private static func isPublicType(_ line: String) -> Bool {
        let words = line.split(separator: " ").prefix(4)
        guard let place = words.firstIndex(of: "public") else { return false }
        let rest = words[(place + 1)...].drop { ["final", "indirect", "@frozen"].contains($0) }
        let kinds: Set<Substring> = ["struct", "class", "enum", "protocol", "actor", "typealias"]
        return rest.first.map { kinds.contains($0) } ?? false
    }

    private static func isAttribute(_ line: String) -> Bool {
        line.trimmingCharacters(in: .whitespaces).hasPrefix("@")
    }
}
