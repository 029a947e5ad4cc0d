import LifeboatTesting
import Testing

@testable import LifeboatMachine

@Suite struct CheckpointPlanTests {
    static let line = "0a0b0c0d"

    static func name(_ snapshot: Int, line: String = line) -> String {
        let digits = String(snapshot, radix: 16)
        return "lifeboat-\(line)-" + String(repeating: "0", count: 16 - digits.count) + digits
    }

    static func snapshot(_ number: Int) -> String { String(name(number).suffix(16)) }

    private func plan(
        bases: [String: Int] = [:], disks: [CheckpointPlan.Disk],
        checkpoints: [CheckpointPlan.Checkpoint] = [],
        foreign: ProtectionPolicy.ForeignCheckpoints = .leave
    ) -> CheckpointPlan {
        CheckpointPlan(
            line: Self.line, bases: bases.mapValues { Self.snapshot($0) }, disks: disks,
            checkpoints: checkpoints, foreignCheckpoints: foreign)
    }

    private func disk(
        _ name: String, _ bitmaps: [CheckpointPlan.Bitmap], canTrack: Bool = true
    ) -> CheckpointPlan.Disk { .init(name: name, canTrack: canTrack, bitmaps: bitmaps) }

    private func checkpoint(_ number: Int, _ disks: String...) -> CheckpointPlan.Checkpoint {
        let name = Self.name(number)
        return .init(
            name: name, bitmaps: Dictionary(uniqueKeysWithValues: disks.map { ($0, name) }))
    }

    private func isWhole(_ mode: CheckpointPlan.Mode?, withReason: Bool) -> Bool {
        guard case .whole(let reason)? = mode else { return false }
        return (reason != nil) == withReason
    }

    @Test func `a first backup reads all and has nothing to tell`() {
        let plan = plan(disks: [disk("vda", [])])
        #expect(plan.actions.isEmpty && plan.refusal == nil)
        #expect(isWhole(plan.modes["vda"], withReason: false))
    }

    @Test func `a good base is read incrementally`() {
        let plan = plan(
            bases: ["vda": 1], disks: [disk("vda", [.init(name: Self.name(1))])],
            checkpoints: [checkpoint(1, "vda")])
        #expect(plan.actions.isEmpty)
        #expect(plan.modes["vda"] == .incremental(since: Self.name(1)))
    }

    @Test(arguments: [
        CheckpointPlan.Bitmap(name: CheckpointPlanTests.name(1), isInconsistent: true),
        .init(name: CheckpointPlanTests.name(1), isRecording: false),
        .init(name: CheckpointPlanTests.name(2)),
    ]) func `broken tracking means reading all, and its checkpoint goes`(
        bitmap: CheckpointPlan.Bitmap
    ) {
        let plan = plan(
            bases: ["vda": 1], disks: [disk("vda", [bitmap])],
            checkpoints: [checkpoint(1, "vda")])
        #expect(isWhole(plan.modes["vda"], withReason: true))
        #expect(plan.actions.contains(.deleteCheckpoint(Self.name(1))))
    }

    @Test func `what another job uses is left alone`() {
        let plan = plan(
            disks: [disk("vda", [.init(name: Self.name(7), isBusy: true)])])
        #expect(plan.actions.isEmpty)
    }

    @Test func `a checkpoint that libvirt forgot is told to it again`() {
        let plan = plan(
            bases: ["vda": 1, "vdb": 1],
            disks: [
                disk("vda", [.init(name: Self.name(1))]), disk("vdb", [.init(name: Self.name(1))]),
            ])
        #expect(plan.actions == [.redefine(Self.name(1), disks: ["vda", "vdb"])])
        #expect(plan.modes["vdb"] == .incremental(since: Self.name(1)))
    }

    @Test func `a broken disk does not spoil the other one`() {
        let plan = plan(
            bases: ["vda": 1, "vdb": 1],
            disks: [
                disk("vda", [.init(name: Self.name(1))]),
                disk("vdb", [.init(name: Self.name(1), isInconsistent: true)]),
            ], checkpoints: [checkpoint(1, "vda", "vdb")])
        #expect(plan.modes["vda"] == .incremental(since: Self.name(1)))
        #expect(isWhole(plan.modes["vdb"], withReason: true))
        #expect(!plan.actions.contains(.deleteCheckpoint(Self.name(1))))
    }

    @Test func `what a died run left goes, with bitmaps that no checkpoint names`() {
        let plan = plan(
            bases: ["vda": 1],
            disks: [
                disk(
                    "vda",
                    [
                        .init(name: Self.name(1)), .init(name: Self.name(2)),
                        .init(name: Self.name(3)),
                    ])
            ], checkpoints: [checkpoint(1, "vda"), checkpoint(2, "vda")])
        #expect(
            Set(plan.actions) == [
                .deleteCheckpoint(Self.name(2)),
                .removeBitmap(disk: "vda", name: Self.name(3)),
            ])
    }

    @Test func `other lines and other programs are left alone`() {
        let other = Self.name(5, line: "ffffffff")
        let plan = plan(
            disks: [disk("vda", [.init(name: other), .init(name: "virtnbdbackup.0")])],
            checkpoints: [
                .init(name: other, bitmaps: ["vda": other]),
                .init(name: "virtnbdbackup.0", bitmaps: ["vda": "virtnbdbackup.0"]),
            ])
        #expect(plan.actions.isEmpty && plan.foreign == ["virtnbdbackup.0"])
    }

    @Test func `other programs' checkpoints are refused or deleted where that is asked for`() {
        let foreign = CheckpointPlan.Checkpoint(name: "other.1", bitmaps: ["vda": "other.1"])
        let disks = [disk("vda", [.init(name: "other.1")])]
        let refused = plan(disks: disks, checkpoints: [foreign], foreign: .refuse)
        #expect(refused.refusal?.contains("other.1") == true && refused.actions.isEmpty)
        let adopted = plan(disks: disks, checkpoints: [foreign], foreign: .adopt)
        #expect(adopted.actions == [.deleteCheckpoint("other.1")])
    }

    @Test func `a raw disk is read whole and says why`() {
        let plan = plan(bases: ["vda": 1], disks: [disk("vda", [], canTrack: false)])
        #expect(isWhole(plan.modes["vda"], withReason: true))
    }

    /// Whatever is found: nothing of others is touched, a base in use is never deleted, and what is
    /// read incrementally has a good bitmap and a checkpoint, known or told anew.
    @Test(arguments: TestSeeds.scaled(20)) func `the promises hold in any state`(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<200 {
            let names =
                (1...4).map { Self.name($0) } + [Self.name(1, line: "ffffffff"), "other.1"]
            let disks = ["vda", "vdb", "vdc"].map { name in
                let bitmaps = names.filter { _ in Bool.random(using: &generator) }.map {
                    CheckpointPlan.Bitmap(
                        name: $0, isRecording: Int.random(in: 0..<4, using: &generator) > 0,
                        isInconsistent: Int.random(in: 0..<4, using: &generator) == 0,
                        isBusy: Int.random(in: 0..<6, using: &generator) == 0)
                }
                return disk(name, bitmaps, canTrack: Int.random(in: 0..<5, using: &generator) > 0)
            }
            let checkpoints = names.filter { _ in Bool.random(using: &generator) }.map { name in
                let covered = ["vda", "vdb", "vdc"].filter { _ in Bool.random(using: &generator) }
                return CheckpointPlan.Checkpoint(
                    name: name,
                    bitmaps: Dictionary(uniqueKeysWithValues: covered.map { ($0, name) }))
            }
            var bases: [String: Int] = [:]
            for disk in disks where Int.random(in: 0..<4, using: &generator) > 0 {
                bases[disk.name] = Int.random(in: 1...4, using: &generator)
            }
            let plan = plan(bases: bases, disks: disks, checkpoints: checkpoints)
            let redefined = plan.actions.compactMap { action in
                if case .redefine(let name, _) = action { name } else { nil }
            }
            #expect(Set(plan.actions).count == plan.actions.count)
            for action in plan.actions {
                switch action {
                case .deleteCheckpoint(let name), .removeBitmap(_, let name),
                    .redefine(let name, _):
                    #expect(SnapshotName(name)?.line == Self.line)
                }
            }
            for disk in disks {
                guard case .incremental(let name)? = plan.modes[disk.name] else { continue }
                #expect(disk.canTrack && bases[disk.name].map { Self.name($0) } == name)
                #expect(disk.bitmaps.contains { $0.name == name && $0.canBeRead })
                #expect(!plan.actions.contains(.deleteCheckpoint(name)))
                #expect(!plan.actions.contains(.removeBitmap(disk: disk.name, name: name)))
                let isKnown = checkpoints.contains {
                    $0.name == name && $0.bitmaps[disk.name] == name
                }
                #expect(isKnown || redefined.contains(name))
            }
        }
    }

    @Test(arguments: [
        ("lifeboat-0a0b0c0d-0000000000000001", true), ("lifeboat-0a0b0c0d-1", false),
        ("lifeboat-0A0b0c0d-0000000000000001", false), ("other.1", false), ("", false),
        ("lifeboat-0a0b0c0d-0000000000000001-x", false),
    ]) func `names of ours are told from others`(text: String, isOurs: Bool) {
        #expect((SnapshotName(text) != nil) == isOurs)
        if let name = SnapshotName(text) { #expect(name.text == text) }
    }
}
