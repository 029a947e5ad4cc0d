import ArgumentParser
import Lifeboat
import LifeboatCore

/// `verify`: checks that what is stored can be restored.
struct VerifyCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Check that what is stored is whole.",
        discussion: """
            Without options it checks the structure: that every point's block map is whole and \
            everything that it refers to is there. --read-data reads every byte, and with the \
            recovery key opens sealed frames too. --keyless needs no secret at all: it checks \
            all objects by their names' hashes and by signatures, and that none is missing. When \
            it was last done is recorded, and points shows it.

            --repair puts back what is damaged or missing from the replicas that this host knows \
            of, and needs permission to delete. Nothing is put back that its name or a signature \
            does not prove to be right.

            Examples:

              lifeboat verify --sample 5
              lifeboat verify --keyless --repair
            """)

    @Flag(name: .customLong("read-data"), help: "Read every byte.")
    var readsData = false

    @Option(
        help: ArgumentHelp(
            "Read this many percent of the packs, chosen anew each time: 1 to 100.",
            valueName: "percent"))
    var sample: Int?

    @Flag(name: .customLong("keyless"), help: "Check what can be checked without any secret.")
    var isKeyless = false

    @Flag(
        name: .customLong("repair"),
        help: "Put back from replicas what is damaged or missing.")
    var repairs = false

    @Option(
        help: ArgumentHelp(
            "With --repair: take it from this replica only.", valueName: "name"))
    var replica: String?

    @OptionGroup var resources: ResourceOptions
    @OptionGroup var recoveryKey: RecoveryKeyOptions
    @OptionGroup var secret: SecretOptions
    @OptionGroup var repository: RepositoryOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if [readsData, sample != nil, isKeyless].count(where: { $0 }) > 1 {
            throw ValidationError("give one of --read-data, --sample and --keyless")
        }
        if let sample, !(1...100).contains(sample) {
            throw ValidationError("--sample goes from 1 to 100")
        }
        if replica != nil, !repairs { throw ValidationError("--replica goes with --repair") }
        if isKeyless, recoveryKey.file != nil {
            throw ValidationError("--keyless uses no recovery key")
        }
    }

    var options: VerificationOptions {
        var options = VerificationOptions()
        if isKeyless {
            options.depth = .keyless
        } else if readsData {
            options.depth = .data
        } else if let sample {
            options.depth = .sample(percent: sample)
        }
        options.repairs = repairs
        options.replica = replica
        options.memory = resources.memory.bytes
        options.threads = resources.threads
        return options
    }

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        let operations =
            isKeyless
            ? try run.operations(repository, secret: .none)
            : try run.operations(repository, secret, recoveryKeyFile: recoveryKey.file)
        return Report(try operations.verify(options))
    }
}
