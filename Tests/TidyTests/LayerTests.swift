import Testing

/// Who may import whom: docs/architecture.md, "Layers".
@Suite struct LayerTests {
    /// The project's own modules that each module may import.
    private static let own: [String: Set<String>] = {
        let core: Set = ["LifeboatCore"]
        let archive = core.union([
            "LifeboatFormat", "LifeboatCodec", "LifeboatSystem", "LifeboatStore",
            "LifeboatProtocol",
        ])
        let operations = archive.union([
            "LifeboatVolume", "LifeboatMachine", "LifeboatArchive",
        ])
        return [
            "LifeboatCore": [],
            "LifeboatFormat": core,
            "LifeboatCodec": core.union(["CZstd", "CCrypto"]),
            "LifeboatSystem": core.union(["CLinux"]),
            "LifeboatStore": core.union(["LifeboatSystem", "CCurl", "CCrypto"]),
            "LifeboatVolume": core.union(["LifeboatSystem", "CNBD"]),
            "LifeboatMachine": core.union([
                "LifeboatFormat", "LifeboatSystem", "LifeboatVolume", "CLibvirt",
            ]),
            "LifeboatProtocol": core.union(["LifeboatFormat"]),
            "LifeboatSimulation": core.union(["LifeboatFormat", "LifeboatProtocol"]),
            "LifeboatSimulate": ["LifeboatProtocol", "LifeboatSimulation"],
            "LifeboatArchive": archive,
            "Lifeboat": operations,
            "LifeboatCommand": operations.union(["Lifeboat", "CQREncode"])
                .subtracting([
                    "LifeboatArchive", "LifeboatFormat", "LifeboatStore", "LifeboatVolume",
                    "LifeboatProtocol",
                ]),
            "LifeboatPlugin": core.union(["LifeboatSystem", "Lifeboat", "CNBDKit"]),
            "LifeboatLab": operations.union(["Lifeboat", "LifeboatTesting"]),
            "LifeboatTesting": core.union(["LifeboatSystem", "LifeboatStore", "LifeboatVolume"]),
            "LifeboatFuzz": [
                "LifeboatCore", "LifeboatFormat", "LifeboatCodec", "LifeboatSystem",
                "LifeboatMachine", "LifeboatTesting",
            ],
        ]
    }()

    /// Modules from elsewhere, and who may import them.
    private static let foreign: [String: Set<String>] = [
        "Crypto": ["LifeboatCodec"],
        "ArgumentParser": ["LifeboatCommand", "LifeboatLab", "LifeboatSimulate"],
        "Foundation": ["LifeboatCommand", "LifeboatLab", "LifeboatStore", "LifeboatMachine"],
        // The answers of S3 are XML, and so are libvirt's definitions.
        "FoundationXML": ["LifeboatStore", "LifeboatMachine"],
        // swift-crypto's interface is in terms of its `Data`.
        "FoundationEssentials": ["LifeboatCommand", "LifeboatCodec", "LifeboatStore"],
        "Yams": ["LifeboatStore", "LifeboatMachine"],
        "Dispatch": ["LifeboatCommand"],
        "Glibc": [
            "LifeboatSystem", "LifeboatStore", "LifeboatVolume", "LifeboatCommand",
            "LifeboatTesting", "LifeboatFuzz", "LifeboatCodec", "LifeboatSimulate",
            "LifeboatMachine", "LifeboatPlugin",
        ],
        "Synchronization": [
            "LifeboatCore", "LifeboatSystem", "LifeboatVolume", "LifeboatTesting",
            "LifeboatCommand",
        ],
    ]

    @Test func `modules import only what lies below them`() throws {
        for source in try Tree.sources("Sources") {
            let allowed = try #require(
                Self.own[source.module], "\(source.module) has no place among the layers")
            for line in source.lines {
                guard let name = Self.imported(line) else { continue }
                let isAllowed =
                    allowed.contains(name) || Self.foreign[name]?.contains(source.module) == true
                #expect(isAllowed, "\(source) imports \(name)")
            }
        }
    }

    @Test func `every module of the table exists`() {
        for module in Self.own.keys { #expect(Tree.exists("Sources/\(module)"), "\(module)") }
    }

    /// The module of an import, whatever stands around it.
    private static func imported(_ line: String) -> String? {
        let words = line.split(separator: " ")
        guard let index = words.firstIndex(of: "import"), index + 1 < words.count,
            words[..<index].allSatisfy({
                ["public", "internal", "package", "private", "fileprivate"].contains($0)
                    || $0.hasPrefix("@")
            })
        else { return nil }
        let kinds: Set<Substring> = ["struct", "class", "enum", "func", "var", "let", "protocol"]
        let name = kinds.contains(words[index + 1]) ? words.last : words[index + 1]
        return name.map { String($0.prefix { $0 != "." }) }
    }

    @Test(arguments: [
        ("import A", "A"), ("public import LifeboatCore", "LifeboatCore"),
        ("    @testable import B", "B"), ("internal import struct Glibc.stat", "Glibc"),
        ("// import C", nil), ("let x = \"import D\"", nil), ("@_exported public import E", "E"),
    ]) func `imports are found`(line: String, module: String?) {
        #expect(Self.imported(line) == module)
    }
}
