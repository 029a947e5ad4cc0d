import ArgumentParser
import Foundation
import LifeboatCore

/// `collect`: what forgetting and pruning cost on a large repository.
struct CollectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "collect",
        abstract: "Measure forgetting and pruning on a large repository.",
        discussion: """
            Backs up machines, each three times with one chunk in a hundred changed; forgets the \
            second points, and prunes. Then every machine gets many more points of the same data, \
            and it is pruned again: alone, and while a machine backs up. Fails when a step takes \
            more memory than the limit, or when it reads more nodes because there are more points.
            """)

    @Option(help: "Bytes of all volumes.")
    var size = ByteCount(256 << 30)

    @Option(help: "Bytes of each machine's volume.")
    var step = ByteCount(64 << 30)

    @Option(help: "How far the content can be compressed.")
    var ratio = 100

    @Option(help: "What the content is made from.")
    var seed: UInt64 = 1

    @Option(help: "Further points of each machine's unchanged data.")
    var further = 20

    @Option(name: .customLong("limit"), help: "Memory that no step may exceed.")
    var limit = ByteCount(512 << 20)

    @OptionGroup var workshop: WorkshopOptions

    private struct Report: Encodable {
        var size: UInt64
        var step: UInt64
        var points: Int
        var morePoints: Int
        var storedBytes: UInt64
        var storedBytesAfter: UInt64
        var lastBackup: PhaseReport
        var forget: PhaseReport
        var prune: PhaseReport
        var pruneAgain: PhaseReport
        var pruneMorePoints: PhaseReport
        var backupAlone: PhaseReport
        var backupBesidePrune: PhaseReport
        var pruneBesideBackup: PhaseReport
        var faults: [String]
    }

    func validate() throws {
        guard step.bytes > 0, size.bytes >= step.bytes else {
            throw ValidationError("--size must be at least one step")
        }
    }

    func run() throws {
        var faults: [String] = []
        try workshop.withWorkshop { workshop in
            _ = try workshop.run(.enrolKeeper)
            let count = Int(size.bytes / step.bytes)
            var middle: [String] = []
            var newest: [String] = []
            var last = try workshop.run(.backup, recipe(1, 0), machine: "machine-1")
            for number in 1...count {
                let machine = "machine-\(number)"
                if number > 1 {
                    _ = try workshop.run(.backup, recipe(number, 0), machine: machine)
                }
                middle.append(
                    try workshop.run(.backup, recipe(number, 1), machine: machine).point ?? "")
                last = try workshop.run(.backup, recipe(number, 2), machine: machine)
                newest.append(last.point ?? "")
                note("\(machine) is backed up", last)
            }
            let stored = workshop.storedBytes()
            let forget = try workshop.run(.forget, points: middle)
            note("forget", forget)
            let prune = try workshop.run(.prune)
            note("prune", prune)
            // A step that stored something anew looks twice: compare those that did not.
            var again = prune
            for _ in 0..<4 {
                again = try workshop.run(.prune)
                note("prune again", again)
                if again.deletedObjects == 0, again.repackedBytes == 0 { break }
            }
            let storedAfter = workshop.storedBytes()
            for number in 1...count {
                for _ in 0..<further {
                    newest[number - 1] = try same(
                        workshop, number: number, base: newest[number - 1])
                }
            }
            let more = try workshop.run(.prune)
            note("prune with more points", more)
            let alone = try workshop.run(.backup, recipe(1, 3), machine: "machine-1")
            note("backup alone", alone)
            let beside = try workshop.start(.backup, recipe(1, 4), machine: "machine-1")
            let pruneBeside = try workshop.run(.prune)
            let backupBeside = try beside.report()
            note("prune beside a backup", pruneBeside)
            note("backup beside a prune", backupBeside)

            for (name, report) in [
                ("forget", forget), ("prune", prune), ("prune again", again),
                ("prune with more points", more), ("prune beside a backup", pruneBeside),
            ] where report.peakBytes > limit.bytes {
                faults.append("\(name) takes \(report.peakBytes >> 20) MiB")
            }
            let (few, many) = (again.nodesVisited ?? 0, more.nodesVisited ?? 0)
            if many > few + few / 100 + 16 {
                faults.append("\(many) nodes are read for many points, \(few) for few")
            }
            // The expired chunks of all machines, less what lies in frames with others.
            if storedAfter > stored {
                faults.append("\(storedAfter) bytes are stored afterwards, \(stored) before")
            }
            print(
                try json(
                    Report(
                        size: size.bytes, step: step.bytes, points: 2 * count,
                        morePoints: (2 + further) * count, storedBytes: stored,
                        storedBytesAfter: storedAfter, lastBackup: last, forget: forget,
                        prune: prune, pruneAgain: again, pruneMorePoints: more,
                        backupAlone: alone, backupBesidePrune: backupBeside,
                        pruneBesideBackup: pruneBeside, faults: faults)))
        }
        if !faults.isEmpty { throw ExitCode.failure }
    }

    /// A machine's volume, in one chunk of a hundred different from that of generation 0.
    private func recipe(_ number: Int, _ generation: UInt64) -> VolumeRecipe {
        var recipe = VolumeRecipe(
            size: step.bytes, seed: seed &* 1_000_003 &+ UInt64(number), ratio: ratio)
        recipe.generation = generation
        if generation > 0 {
            recipe.changed = Int(step.bytes / UInt64(SyntheticVolume.chunkByteCount) / 100)
        }
        return recipe
    }

    /// Another point of unchanged data, by a hint that says so.
    private func same(_ workshop: Workshop, number: Int, base: String) throws -> String {
        let hint = workshop.folder + "/unchanged"
        let lines = [
            "lifeboat-changed-extents 0", "base \(base)", "volume disk", "size \(step.bytes)",
            "granularity \(SyntheticVolume.chunkByteCount)", "extents 0", "end", "",
        ]
        try lines.joined(separator: "\n").write(toFile: hint, atomically: true, encoding: .utf8)
        let report = try workshop.run(
            .backup, recipe(number, 2), machine: "machine-\(number)", hint: hint)
        guard report.method == "hint", let point = report.point else {
            throw Workshop.Failure(description: "the hint was not used")
        }
        return point
    }

    private func note(_ what: String, _ report: PhaseReport) {
        func mebibytes(_ bytes: UInt64?) -> UInt64 { (bytes ?? 0) >> 20 }
        let seconds = Double(Int(report.seconds * 100)) / 100
        let cpu = Double(Int(report.cpuSeconds * 100)) / 100
        var text =
            "\(what): \(seconds) s, \(cpu) s of CPU, \(mebibytes(report.peakBytes)) MiB, read "
            + "\(mebibytes(report.bytesIn)) MiB, wrote \(mebibytes(report.bytesOut)) MiB"
        if let nodes = report.nodesVisited {
            text +=
                ", \(nodes) nodes, condemned \(report.condemned ?? 0), deleted "
                + "\(report.deletedObjects ?? 0) objects, \(mebibytes(report.deletedBytes)) MiB"
        }
        FileHandle.standardError.write(Data((text + "\n").utf8))
    }
}
