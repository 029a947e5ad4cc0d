import ArgumentParser
import Foundation
import Lifeboat
import LifeboatArchive
import LifeboatCodec
import LifeboatCore
import LifeboatFormat
import LifeboatStore
import LifeboatSystem

/// What a phase took and did.
struct PhaseReport: Codable {
    var seconds: Double
    var cpuSeconds: Double
    /// The most memory that the phase's process had resident.
    var peakBytes: UInt64
    /// Bytes that the process asked the system to read and to write.
    var bytesIn: UInt64?
    var bytesOut: UInt64?
    var point: String?
    var volumeBytes: UInt64?
    var bytesRead: UInt64?
    var bytesNew: UInt64?
    var dataBytes: UInt64?
    var metadataBytes: UInt64?
    var auditSeconds: Double?
    var auditBytes: UInt64?
    var method: String?
    var chunksChecked: UInt64?
    var packs: UInt64?
    var problems: Int?
    var nodesVisited: UInt64?
    var forgotten: Int?
    var condemned: Int?
    var deletedObjects: Int?
    var deletedBytes: UInt64?
    var storedBytes: UInt64?
    var liveBytes: UInt64?
    var heldBytes: UInt64?
    var repackedBytes: UInt64?
}

/// One measured phase, in this process; the other commands run it.
struct PhaseCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "phase", abstract: "One phase of a measurement.", shouldDisplay: false)

    enum Kind: String, ExpressibleByArgument {
        case initialise, backup, verify, enrolKeeper, forget, prune
    }

    @Argument var kind: Kind
    @Option var folder: String
    @Option var machine = "machine"
    @Option var hint: String?
    /// A `VolumeRecipe` as JSON.
    @Option var recipe: String?
    /// Points to forget.
    @Option var points: [String] = []

    func run() throws {
        Files.raiseOpenFileLimit()
        let start = Clock.monotonicSeconds()
        let stages = StageClock()
        let operations = Operations(access: access, events: stages)
        var report = PhaseReport(seconds: 0, cpuSeconds: 0, peakBytes: 0)
        switch kind {
        case .initialise:
            _ = try operations.initialise(
                chunkSize: SyntheticVolume.chunkByteCount,
                recoveryKeyFile: folder + "/recovery.key", keyLabel: "laboratory", minimumAge: 0)
        case .enrolKeeper:
            _ = try operations.enrol(
                .keeper, domain: .first, label: "keeper", secret: .keyFile(folder + "/keeper.key"))
        case .forget:
            let ids = points.compactMap { Digest(hex: $0) }
            let repository = try Repository.open(
                DirectoryStore(path: folder + "/repository"),
                secret: .keyFile(try KeyFile.read(folder + "/keeper.key")), recovery: nil,
                stateRoot: access.stateDirectory, cacheRoot: access.cacheDirectory)
            _ = try repository.keep { _ in { $0.forgotten = ids.sorted() } }
            report.forgotten = ids.count
        case .prune:
            let result = try operations.prune(PruneOptions())
            report.nodesVisited = result.nodesVisited
            report.condemned = result.condemnedObjects
            report.deletedObjects = result.deletedObjects
            report.deletedBytes = result.deletedBytes
            report.storedBytes = result.bytesStored
            report.liveBytes = result.bytesLive
            report.heldBytes = result.bytesHeld
            report.repackedBytes = result.repackedBytes
            report.packs = UInt64(result.packs)
            for note in result.notes {
                FileHandle.standardError.write(Data((note + "\n").utf8))
            }
        case .backup:
            let recipe = try JSONDecoder().decode(
                VolumeRecipe.self, from: Data((recipe ?? "").utf8))
            var options = BackupOptions(
                machine: machine,
                sources: [.init(name: "disk", reader: SyntheticVolume(recipe))])
            if let hint { options.changedExtents = ["disk": hint] }
            let result = try operations.backup(options)
            let volume = result.volumes[0]
            report.point = result.point?.hex
            report.volumeBytes = volume.size
            report.bytesRead = volume.bytesRead
            report.bytesNew = volume.bytesNew
            report.dataBytes = volume.bytesStored
            report.metadataBytes = result.bytesMetadata
            report.auditSeconds = stages.seconds(of: "auditing")
            report.auditBytes = volume.bytesAudited
            report.method = volume.method
        case .verify:
            let result = try operations.verify(VerificationOptions())
            report.chunksChecked = result.chunksChecked
            report.packs = result.packs
            report.problems = result.problems.count
        }
        report.seconds = Clock.monotonicSeconds() - start
        report.cpuSeconds = Clock.cpuSeconds()
        report.peakBytes = Clock.peakMemoryBytes
        report.bytesIn = Self.accounted("rchar")
        report.bytesOut = Self.accounted("wchar")
        print(try json(report))
    }

    /// What opens the repository for this phase: keepers have a state directory of their own.
    private var access: RepositoryAccess {
        var secret = RepositoryAccess.Secret.password(SecretBytes(Array("laboratory".utf8)))
        var member = "writer"
        switch kind {
        case .forget, .prune:
            secret = .keyFile(folder + "/keeper.key")
            member = "keeper"
        case .enrolKeeper: secret = .recoveryKey(folder + "/recovery.key")
        case .initialise, .backup, .verify: break
        }
        return RepositoryAccess(
            location: folder + "/repository", secret: secret,
            stateDirectory: "\(folder)/\(member)/state",
            cacheDirectory: "\(folder)/\(member)/cache")
    }

    /// What the system accounts this process for.
    private static func accounted(_ name: String) -> UInt64? {
        guard let text = try? String(contentsOfFile: "/proc/self/io", encoding: .utf8) else {
            return nil
        }
        return text.split(separator: "\n").first { $0.hasPrefix(name + ": ") }
            .flatMap { UInt64($0.dropFirst(name.count + 2)) }
    }
}

/// Measures how long stages take.
private final class StageClock: EventSink, @unchecked Sendable {
    private let lock = NSLock()
    private var begun: [String: Double] = [:]
    private var spent: [String: Double] = [:]

    func tell(_ event: Event) {
        let now = Clock.monotonicSeconds()
        lock.withLock {
            switch event {
            case .started(let stage, _): begun[stage] = now
            case .finished(let stage):
                spent[stage, default: 0] += now - (begun.removeValue(forKey: stage) ?? now)
            case .warning(let text): FileHandle.standardError.write(Data((text + "\n").utf8))
            case .progress, .note: break
            }
        }
    }

    func seconds(of stage: String) -> Double? { lock.withLock { spent[stage] } }
}

/// A value as one line of JSON with keys like `peak_bytes`.
func json(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    return String(decoding: try encoder.encode(value), as: UTF8.self)
}
