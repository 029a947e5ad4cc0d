import ArgumentParser
import Foundation
import LifeboatCore

/// `scale`: whether memory stays bounded while a repository grows.
struct ScaleCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scale",
        abstract: "Measure memory and time while a repository grows.",
        discussion: """
            Grows a repository by one machine's volume a step. After each step the machine is \
            backed up again with one chunk in a hundred changed, and the structure is verified. \
            Fails when a phase takes more memory than the limit, or one of the last step more \
            than in the first step by more than the allowance.
            """)

    @Option(help: "Bytes of all volumes in the end.")
    var size = ByteCount(256 << 30)

    @Option(help: "Bytes of each machine's volume.")
    var step = ByteCount(64 << 30)

    @Option(help: "How far the content can be compressed.")
    var ratio = 100

    @Option(help: "What the content is made from.")
    var seed: UInt64 = 1

    @Option(name: .customLong("limit"), help: "Memory that no phase may exceed.")
    var limit = ByteCount(512 << 20)

    @Option(help: "How much more memory the last step may take than the first.")
    var allowance = ByteCount(32 << 20)

    @OptionGroup var workshop: WorkshopOptions

    private struct Step: Encodable {
        var volumeBytes: UInt64
        var storedBytes: UInt64
        var first: PhaseReport
        var again: PhaseReport
        var verify: PhaseReport

        var peaks: [(name: String, bytes: UInt64)] {
            [
                ("first", first.peakBytes), ("again", again.peakBytes),
                ("verify", verify.peakBytes),
            ]
        }
    }

    private struct Report: Encodable {
        var size: UInt64
        var step: UInt64
        var ratio: Int
        var seed: UInt64
        var peakBytes: UInt64
        /// What the last step takes beyond the first, phase by phase.
        var growthBytes: [String: Int64]
        var limitBytes: UInt64
        var faults: [String]
        var steps: [Step]
    }

    func validate() throws {
        guard step.bytes > 0, size.bytes >= 2 * step.bytes else {
            throw ValidationError("--size must be at least two steps")
        }
    }

    func run() throws {
        var faults: [String] = []
        try workshop.withWorkshop { workshop in
            var steps: [Step] = []
            for number in 1...Int(size.bytes / step.bytes) {
                steps.append(try grow(workshop, to: number))
                note(steps[number - 1])
            }
            var growth: [String: Int64] = [:]
            for (old, new) in zip(steps[0].peaks, steps[steps.count - 1].peaks) {
                growth[old.name] = Int64(new.bytes) - Int64(old.bytes)
                if new.bytes > old.bytes + allowance.bytes {
                    faults.append("\(old.name) takes \((new.bytes - old.bytes) >> 20) MiB more")
                }
            }
            let peak = steps.flatMap { $0.peaks.map(\.bytes) }.max() ?? 0
            if peak > limit.bytes { faults.append("a phase takes \(peak >> 20) MiB") }
            if steps.contains(where: { $0.verify.problems != 0 }) {
                faults.append("a verification found problems")
            }
            print(
                try json(
                    Report(
                        size: size.bytes, step: step.bytes, ratio: ratio, seed: seed,
                        peakBytes: peak, growthBytes: growth, limitBytes: limit.bytes,
                        faults: faults, steps: steps)))
        }
        if !faults.isEmpty { throw ExitCode.failure }
    }

    private func grow(_ workshop: Workshop, to number: Int) throws -> Step {
        var recipe = VolumeRecipe(
            size: step.bytes, seed: seed &* 1_000_003 &+ UInt64(number), ratio: ratio)
        let machine = "machine-\(number)"
        let first = try workshop.run(.backup, recipe, machine: machine)
        recipe.generation = 1
        recipe.changed = Int(step.bytes / UInt64(SyntheticVolume.chunkByteCount) / 100)
        let again = try workshop.run(.backup, recipe, machine: machine)
        let verify = try workshop.run(.verify)
        return Step(
            volumeBytes: UInt64(number) * step.bytes, storedBytes: workshop.storedBytes(),
            first: first, again: again, verify: verify)
    }

    private func note(_ step: Step) {
        let peaks = step.peaks.map { "\($0.name) \($0.bytes >> 20) MiB" }.joined(separator: ", ")
        let text =
            "\(ByteText.describe(step.volumeBytes)) in \(ByteText.describe(step.storedBytes)): \(peaks)\n"
        FileHandle.standardError.write(Data(text.utf8))
    }
}
