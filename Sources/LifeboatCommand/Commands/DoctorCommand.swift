import ArgumentParser
import Lifeboat
import LifeboatCore
import LifeboatMachine

/// `doctor`: what keeps machines from being protected, and how to mend it.
struct DoctorCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Say what keeps machines from being protected well, and how to mend it.",
        discussion: """
            Nothing is changed. Without a machine, all of this host are looked at. Where a \
            repository is named, it is opened with this host's key, and what key and store allow \
            is looked at too. The exit code is 3 where points cannot be made, or a guest is in \
            trouble.

            Example:

              lifeboat doctor web --repo /mnt/backup --key-file /etc/lifeboat/host.key
            """)

    @Argument(help: ArgumentHelp("A machine's name.", valueName: "machine"))
    var machine: String?

    @Option(
        help: ArgumentHelp("The hypervisor; by default qemu:///system.", valueName: "uri"))
    var connect: String?

    @Option(
        name: .customLong("scratch-directory"),
        help: ArgumentHelp("Where scratch files are to go.", valueName: "dir"),
        completion: .directory)
    var scratchDirectory: String?

    @OptionGroup var secret: SecretOptions
    @OptionGroup var repository: RepositoryOptions
    @OptionGroup var output: OutputOptions

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        let scratch: String
        if let scratchDirectory {
            scratch = scratchDirectory
        } else {
            scratch = try run.environment.scratchDirectory(option: repository.state.directory)
        }
        let doctor = MachineDoctor(
            uri: connect ?? LibvirtConnection.systemURI,
            scratchDirectory: scratch,
            runDirectory: run.environment.runDirectory)
        return Report(findings: doctor.examine(machine: machine) + examineRepository(run))
    }

    private func examineRepository(_ run: Invocation) -> [MachineFinding] {
        guard repository.isNamed(run.environment) else {
            return [
                MachineFinding(
                    .advice, "repository", "no repository is named, so no key is looked at",
                    advice: "give --repo, and what opens it")
            ]
        }
        do throws(LifeboatError) {
            return try run.operations(repository, secret).examineRepository()
        } catch {
            return [
                MachineFinding(.problem, "repository", error.message, advice: error.advice)
            ]
        }
    }
}
