import ArgumentParser
import Lifeboat
import LifeboatCore

/// `benchmark`: tells what this machine can do.
struct BenchmarkCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "benchmark",
        abstract: "Measure what this machine can do.",
        discussion: """
            Measures reading, the zero test, hashing, compressing, encrypting and decoding, each \
            alone and all together, with one thread and with all; in bytes of volume a second. \
            Without a volume it makes up data, which tells less. Nothing is written.

            Example:

              lifeboat benchmark /var/lib/machines/web.img --seconds 2
            """)

    @Argument(
        help: ArgumentHelp("A file or block device to measure with.", valueName: "volume"),
        completion: .file())
    var volume: String?

    @Option(help: ArgumentHelp("Seconds for each kind of work.", valueName: "seconds"))
    var seconds = 1.0

    @Option(
        name: .customLong("compression-level"),
        help: ArgumentHelp("The zstd level, from 1 (fast) to 19 (small).", valueName: "level"))
    var compressionLevel: Int32 = 3

    @OptionGroup var output: OutputOptions

    func validate() throws {
        if !(0.01...3600).contains(seconds) {
            throw ValidationError("--seconds goes from 0.01 to 3600")
        }
        if !(1...19).contains(compressionLevel) {
            throw ValidationError("--compression-level goes from 1 to 19")
        }
    }

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        Report(
            try Operations.benchmark(
                volume, seconds: seconds, level: compressionLevel, events: run.console,
                cancellation: run.cancellation))
    }
}
