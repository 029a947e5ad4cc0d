import ArgumentParser
import Foundation

/// Where a measurement takes place.
struct WorkshopOptions: ParsableArguments {
    @Option(help: "The folder to work in; by default the system's for temporary files.")
    var folder: String?

    @Flag(help: "Leave the repository there.")
    var keep = false

    /// Makes a new repository, and removes it after `body` unless it is to be kept.
    func withWorkshop(_ body: (Workshop) throws -> Void) throws {
        let parent = folder ?? FileManager.default.temporaryDirectory.path
        let path = parent + "/lifeboat-lab-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        defer { if !keep { try? FileManager.default.removeItem(atPath: path) } }
        let workshop = Workshop(folder: path)
        _ = try workshop.run(.initialise)
        try body(workshop)
    }
}

/// A repository in a folder of its own, and the phases that are measured on it.
struct Workshop {
    let folder: String

    struct Failure: Error, CustomStringConvertible { var description: String }

    /// A phase that runs in a process of its own.
    final class Running {
        fileprivate let kind: PhaseCommand.Kind
        fileprivate let process = Process()
        fileprivate let output = Pipe()

        fileprivate init(_ kind: PhaseCommand.Kind) { self.kind = kind }

        /// Waits until the phase has ended.
        func report() throws -> PhaseReport {
            let bytes = output.fileHandleForReading.readDataToEndOfFile()
            process.waitUntilExit()
            guard process.terminationStatus == 0 else {
                throw Failure(
                    description: "\(kind) ended with status \(process.terminationStatus)")
            }
            let decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            return try decoder.decode(PhaseReport.self, from: bytes)
        }
    }

    /// Runs a phase in a new process.
    func run(
        _ kind: PhaseCommand.Kind, _ recipe: VolumeRecipe? = nil, machine: String = "machine",
        hint: String? = nil, points: [String] = []
    ) throws -> PhaseReport {
        try start(kind, recipe, machine: machine, hint: hint, points: points).report()
    }

    /// Begins a phase in a new process.
    func start(
        _ kind: PhaseCommand.Kind, _ recipe: VolumeRecipe? = nil, machine: String = "machine",
        hint: String? = nil, points: [String] = []
    ) throws -> Running {
        let running = Running(kind)
        let process = running.process
        let path = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments =
            ["phase", kind.rawValue, "--folder", folder, "--machine", machine]
            + (try recipe.map {
                ["--recipe", String(decoding: try JSONEncoder().encode($0), as: UTF8.self)]
            } ?? []) + (hint.map { ["--hint", $0] } ?? [])
            + points.flatMap { ["--points", $0] }
        process.standardOutput = running.output
        try process.run()
        return running
    }

    /// Bytes of all objects of the repository.
    func storedBytes() -> UInt64 {
        let walk = FileManager.default.enumerator(atPath: folder + "/repository")
        var sum: UInt64 = 0
        while walk?.nextObject() != nil {
            let attributes = walk?.fileAttributes
            guard attributes?[.type] as? FileAttributeType == .typeRegular else { continue }
            sum += (attributes?[.size] as? NSNumber)?.uint64Value ?? 0
        }
        return sum
    }
}
