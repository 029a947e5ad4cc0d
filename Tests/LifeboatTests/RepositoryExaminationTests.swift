import LifeboatCore
import LifeboatMachine
import LifeboatSystem
import LifeboatTesting
import Testing

@testable import Lifeboat

@Suite struct RepositoryExaminationTests {
    private let folder: TemporaryDirectory

    init() throws { folder = try TemporaryDirectory() }

    private func operations(secret: String, recovery: String? = nil) -> Operations {
        Operations(
            access: RepositoryAccess(
                location: folder.file("repository"), secret: .keyFile(folder.file(secret)),
                recoveryKeyFile: recovery.map { folder.file($0) },
                stateDirectory: folder.file("state"), cacheDirectory: folder.file("cache")))
    }

    private func findings(_ operations: Operations) -> [String: MachineFinding.Severity] {
        Dictionary(
            operations.examineRepository().map { ($0.check, $0.severity) }, uniquingKeysWith: { $1 }
        )
    }

    @Test func `a writer is well, a keeper and a host with the recovery key are told`() throws {
        let host = operations(secret: "key", recovery: "recovery")
        _ = try host.initialise(
            chunkSize: 65536, recoveryKeyFile: folder.file("recovery"), keyLabel: "",
            minimumAge: 0)
        let good = findings(operations(secret: "key"))
        #expect(
            good == [
                "repository": .good, "key-role": .good, "recovery-key": .good, "deletion": .advice,
            ])
        #expect(findings(host)["recovery-key"] == .warning)
    }

    @Test func `a repository that is not there is a problem, and no failure`() {
        #expect(findings(operations(secret: "key")) == ["repository": .problem])
    }

    @Test(arguments: [
        (["list", "backup"], "s3", true, UInt64(0), "key-role", MachineFinding.Severity.good),
        (["list", "forget"], "s3", true, 0, "key-role", .problem),
        (["list"], "s3", true, 0, "key-role", .problem),
        (["backup"], "s3", true, 0, "deletion", .warning),
        (["backup"], "s3", false, 0, "deletion", .good),
        (["backup"], "s3", true, 86_400_000, "deletion", .good),
        (["backup"], "directory", true, 0, "deletion", .advice),
        (["backup", "restore"], "swift", true, 0, "recovery-key", .warning),
    ])
    func `what keys and stores allow is judged`(
        abilities: [String], kind: String, deletes: Bool, lock: UInt64, check: String,
        severity: MachineFinding.Severity
    ) throws {
        let store = StoreInformation(
            kind: kind, probeTime: 1,
            abilities: .init(
                conditionalPut: true, rangeReads: true, deletes: deletes, orderedListing: true,
                payloadCheck: "none", versioning: false, objectLock: false,
                maximumObjectBytes: nil))
        let information = RepositoryInformation(
            repository: Identifier.random(), location: "x", store: store, formatVersion: 1,
            chunkSize: 65536, created: 1, fingerprint: "x", configurationNumber: 1,
            rosterNumber: 1, minimumAge: 0, lockDuration: lock, domains: [], members: [], logs: 1,
            points: 0, heldPoints: 0, packs: 0, indexRuns: 0, condemnedObjects: 0,
            doomedObjects: 0, checkpoint: nil, checkpointTime: nil, replica: nil, sessions: [],
            abilities: abilities)
        let found = RepositoryExamination(information: information).findings
        #expect(found.first { $0.check == check }?.severity == severity)
    }
}
