import ArgumentParser
import Foundation
import LifeboatCore
import LifeboatStore
import LifeboatTesting

/// `conformance`: whether a store does what the archive counts on.
struct ConformanceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "conformance",
        abstract: "Check that a store does what a repository needs.",
        discussion: """
            Works in a new folder below the location, and removes what it put there. Makes the \
            directory or the bucket if it is missing. Prints one line for each check, beginning \
            with "ok" or "not ok", and then what the store can be relied on for.

            Example:

              lifeboat-lab conformance s3:https://store.example/bucket/tests
            """)

    @Argument(help: ArgumentHelp("A repository's location.", valueName: "location"))
    var location: String

    @Option(help: "Objects on a page of a listing; 0 for as many as the store likes.")
    var pageSize = 10

    @Option(help: "Bytes of the largest object.")
    var largest = ByteCount(33 << 20)

    @Flag(help: "Leave the objects in the store.")
    var keep = false

    func run() throws {
        var parts = location.split(separator: "?", maxSplits: 1).map(String.init)
        if parts[0].hasSuffix("/") { parts[0].removeLast() }
        parts[0] += "/conformance-" + Identifier.random().short
        let options = StoreOptions(
            environment: ProcessInfo.processInfo.environment,
            listingPageCount: pageSize > 0 ? pageSize : nil)
        let place = try StoreLocation(parts.joined(separator: "?"))
        let store = try place.create(options)
        var failed = 0
        var begun = Date()
        StoreConformance.run(on: store, largeByteCount: Int(largest.bytes)) { name, failures in
            let seconds = String(format: "%.1f", Date().timeIntervalSince(begun))
            if failures.isEmpty {
                print("ok \(place.kind)/\(name) # \(seconds) s")
            } else {
                failed += 1
                print("not ok \(place.kind)/\(name) - \(failures.joined(separator: "; "))")
            }
            begun = Date()
        }
        let capabilities = store.capabilities
        for line in Self.describe(capabilities) { print("# \(line)") }
        if !keep { try clean(store) }
        if failed > 0 { throw ExitCode(1) }
    }

    private func clean(_ store: any ObjectStore) throws {
        var names: [ObjectName] = []
        try store.list("") { name, _ throws(LifeboatError) in names.append(name) }
        try store.delete(names)
        if store is DirectoryStore { try FileManager.default.removeItem(atPath: store.location) }
    }

    private static func describe(_ capabilities: StoreCapabilities) -> [String] {
        [
            "conditional put: \(capabilities.conditionalPut)",
            "payload check: \(capabilities.payloadCheck.rawValue)",
            "range reads: \(capabilities.rangeReads)",
            "ordered listing: \(capabilities.orderedListing)",
            "deletes: \(capabilities.deletes)", "versioning: \(capabilities.versioning)",
            "object lock: \(capabilities.objectLock)",
            "largest object: \(capabilities.maximumObjectBytes.map(String.init) ?? "any")",
        ]
    }
}
