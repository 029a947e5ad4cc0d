import ArgumentParser
import Foundation

/// `hint`: a backup of a huge volume of which little changed, and that is told.
struct HintCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hint",
        abstract: "Measure a backup with a changed-block hint.",
        discussion: """
            Builds the first point of a sparse volume, then backs it up again with a hint that \
            names the changed chunks. The second backup is what is measured.
            """)

    @Option(help: "Bytes of the volume.")
    var size = ByteCount(1 << 40)

    @Option(help: "Percent of the volume that holds data.")
    var fill: UInt64 = 20

    @Option(help: "Changed chunks.")
    var changed = 100

    @Option(help: "What the content is made from.")
    var seed: UInt64 = 1

    @Option(help: "Different chunks in the first point; 0 for as many as there are.")
    var distinct: UInt64 = 1 << 16

    @Option(help: "Hinted backups, one after the other; the median by time is told.")
    var runs = 3

    @OptionGroup var workshop: WorkshopOptions

    private struct Report: Encodable {
        var size: UInt64
        var fillPercent: UInt64
        var changedChunks: Int
        var seed: UInt64
        var seconds: Double
        var secondsOfEachRun: [Double]
        var cpuSeconds: Double
        var auditSeconds: Double
        var auditBytes: UInt64
        var secondsWithoutAudit: Double
        var metadataBytes: UInt64
        var dataBytes: UInt64
        var peakBytes: UInt64
        var first: PhaseReport
    }

    func run() throws {
        try workshop.withWorkshop { workshop in
            var recipe = VolumeRecipe(
                size: size.bytes, fill: fill, seed: seed, distinct: distinct)
            let first = try workshop.run(.backup, recipe)
            var base = first.point ?? ""
            var reports: [PhaseReport] = []
            var past: Set<UInt64> = []
            recipe.generation = 1
            for number in 1...max(1, runs) {
                // Each run changes chunks of its own; what earlier runs changed stays.
                recipe.changed = number * changed
                let now = Set(recipe.changedChunks)
                let hint = workshop.folder + "/hint-\(number)"
                try text(of: now.subtracting(past).sorted(), base: base)
                    .write(toFile: hint, atomically: true, encoding: .utf8)
                let report = try workshop.run(.backup, recipe, hint: hint)
                guard report.method == "hint", let point = report.point else {
                    throw Workshop.Failure(description: "the hint was not used")
                }
                base = point
                past = now
                reports.append(report)
            }
            let ordered = reports.sorted { $0.seconds < $1.seconds }
            let median = ordered[ordered.count / 2]
            let audit = median.auditSeconds ?? 0
            print(
                try json(
                    Report(
                        size: size.bytes, fillPercent: fill, changedChunks: changed, seed: seed,
                        seconds: median.seconds, secondsOfEachRun: reports.map(\.seconds),
                        cpuSeconds: median.cpuSeconds, auditSeconds: audit,
                        auditBytes: median.auditBytes ?? 0,
                        secondsWithoutAudit: median.seconds - audit,
                        metadataBytes: median.metadataBytes ?? 0,
                        dataBytes: median.dataBytes ?? 0,
                        peakBytes: reports.map(\.peakBytes).max() ?? 0, first: first)))
        }
    }

    /// A changed-extents file.
    private func text(of chunks: [UInt64], base: String) -> String {
        let unit = UInt64(SyntheticVolume.chunkByteCount)
        var lines = [
            "lifeboat-changed-extents 0", "base \(base)", "volume disk", "size \(size.bytes)",
            "granularity \(unit)", "extents \(chunks.count)",
        ]
        for chunk in chunks {
            lines.append("\(chunk * unit) \(min(unit, size.bytes - chunk * unit))")
        }
        return (lines + ["end", ""]).joined(separator: "\n")
    }
}
