@testable import Lifeboat
import LifeboatCore

/// Results with made-up numbers, to be rendered.
enum Samples {
    static let point = Digest(0x4f1c_2a9b_0d3e_5566, 1, 2, 3)
    static let parent = Digest(0x9a00_0000_0000_0000, 0, 0, 1)
    static let identifier = Identifier([UInt8](repeating: 0xAB, count: 16)) ?? .random()
    /// The time 2026-01-02T03:04:05.678Z.
    static let time: UInt64 = 1_767_323_045_678

    static func backup(isDegraded: Bool = false, warnings: [String] = []) -> BackupResult {
        BackupResult(
            point: point, machine: "web", consistency: .crash, parent: parent,
            volumes: [
                VolumeBackupResult(
                    name: "root", size: 1 << 30, bytesRead: 1 << 29, bytesNew: 1 << 20,
                    bytesStored: 1 << 19, bytesZero: 1 << 28, bytesUnchanged: 1 << 27,
                    consistency: .crash, method: "full", bytesAudited: 0, isDegraded: isDegraded,
                    warnings: warnings)
            ],
            bytesMetadata: 4096, durationSeconds: 2.5, warnings: [])
    }

    static var summary: PointSummary {
        PointSummary(
            id: point, machine: "web", host: "host1", time: time, begun: time - 2500,
            consistency: .crash, parent: nil, tags: ["b": "2", "a": "1"],
            volumes: [
                PointSummary.Volume(
                    name: "root", size: 1 << 30, consistency: .crash, method: "full",
                    bytesRead: 1 << 29, bytesNew: 1 << 20, bytesStored: 1 << 19,
                    bytesZero: 1 << 28, bytesUnchanged: 0, root: parent, warnings: [])
            ],
            program: "lifeboat 0.1.0", writer: identifier, incarnation: identifier, sequence: 7,
            verifiedTime: time, verifiedDepth: "data")
    }

    static var key: [String] {
        (1...5).map { number in
            "\(number) " + (0..<8).map { "\($0)a0\($0)" }.joined(separator: " ") + " beef"
        }
    }

    static var initialisation: InitialisationResult {
        InitialisationResult(
            repository: identifier, location: "/mnt/<backup>", chunkSize: 65536,
            fingerprint: "1234-5678", recoveryKeyFile: "k", recoveryKeyLines: key,
            recoveryKeyCode: "LIFEBOAT-RECOVERY-KEY-0:" + String(repeating: "0A1B2C3D", count: 20))
    }
}
