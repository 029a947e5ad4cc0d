import ArgumentParser
import Lifeboat
import LifeboatCore

/// `replica`: the same repository in other places.
struct ReplicaCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replica",
        abstract: "Keep the same repository in other places too.",
        discussion: """
            A replica holds the same objects under the same keys, and is a whole repository to read, \
            verify and restore from: give its place as --repo. Hosts back up to the repository, \
            which is also the one that is pruned; replica sync brings the replicas up to date. That \
            needs no key, so any machine that sees both places can do it.

            Example:

              lifeboat replica add attic /mnt/attic/repository
              lifeboat replica sync
            """,
        subcommands: [
            ReplicaAddCommand.self, ReplicaListCommand.self, ReplicaSyncCommand.self,
            ReplicaRemoveCommand.self, ReplicaPromoteCommand.self,
        ])
}

/// `replica add`.
struct ReplicaAddCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Begin a replica at a place that is empty.",
        discussion: """
            This host remembers it in its state directory, with the repository's root key: what is \
            not signed by that, or by keys that follow from it, is never copied. Nothing is copied \
            yet: see replica sync.

            With --machine or --tag the replica takes only some of the points. What points are of \
            is sealed, so bringing such a replica up to date needs a key.

            Examples:

              lifeboat replica add attic /mnt/attic/repository
              lifeboat replica add branch /mnt/branch/repository --machine web --machine mail
            """)

    @Argument(help: "What to call it on this host.")
    var name: String

    @Argument(help: "Where it is: a directory.", completion: .directory)
    var location: String

    @Option(
        name: .customLong("machine"),
        help: ArgumentHelp(
            "Take only points of this machine; may be repeated.", valueName: "name"))
    var machines: [String] = []

    @Option(
        name: .customLong("tag"),
        help: ArgumentHelp(
            "Take only points with this tag; may be repeated.", valueName: "key=value"))
    var tags: [String] = []

    @OptionGroup var repository: RepositoryOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        _ = try usageChecked { () throws(LifeboatError) in try NamePairs.tags(tags) }
    }

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        var options = ReplicaOptions(name: name, location: location)
        options.machines = machines
        options.tags = try NamePairs.tags(tags)
        let operations = try run.operations(repository, secret: .none)
        return Report(added: try operations.addReplica(options))
    }
}

/// `replica list`.
struct ReplicaListCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the replicas that this host knows of.",
        discussion: """
            Needs no key.

            Example:

              lifeboat replica list
            """)

    @OptionGroup var repository: RepositoryOptions
    @OptionGroup var output: OutputOptions

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        Report(replicas: try run.operations(repository, secret: .none).replicas())
    }
}

/// `replica sync`.
struct ReplicaSyncCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "sync", abstract: "Bring replicas up to date.",
        discussion: """
            Copies what is missing, checks each object by the hash that is its name, then shows the \
            new points all at once, then deletes what the repository has deleted. Backups and prune \
            may run meanwhile. It can be interrupted at any time; the next run goes on.

            What is damaged at the repository is not copied, and then nothing new is shown either: \
            exit code 20. Heal it with verify --repair or the next backup, or go on without it with \
            --accept-damage.

            Needs no key, except for replicas that take only some of the points.

            Examples:

              lifeboat replica sync
              lifeboat replica sync attic --dry-run
            """)

    @Argument(help: "The replica; all that this host knows of if none is named.")
    var name: String?

    @Flag(
        name: .customLong("dry-run"), help: "Tell what would be copied; change nothing.")
    var isDryRun = false

    @Flag(
        name: .customLong("check"),
        help: "Ask the replica for every object, also for those that it had the last time.")
    var asksForAll = false

    @Flag(
        name: .customLong("accept-damage"),
        help: "Go on without objects that the repository itself has lost.")
    var acceptsDamage = false

    @OptionGroup var resources: ResourceOptions
    @OptionGroup var recoveryKey: RecoveryKeyOptions
    @OptionGroup var secret: SecretOptions
    @OptionGroup var repository: RepositoryOptions
    @OptionGroup var output: OutputOptions

    /// Whether a secret was given: none is asked for, or taken from the environment.
    private var hasSecret: Bool {
        recoveryKey.file != nil || secret.keyFile != nil || secret.password.file != nil
            || secret.password.command != nil
    }

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        var options = ReplicaSyncOptions()
        options.isDryRun = isDryRun
        options.asksForAll = asksForAll
        options.acceptsDamage = acceptsDamage
        options.memory = resources.memory.bytes
        options.threads = resources.threads
        let operations =
            hasSecret
            ? try run.operations(repository, secret, recoveryKeyFile: recoveryKey.file)
            : try run.operations(repository, secret: .none)
        return Report(
            synced: try operations.syncReplicas(name, options), isDryRun: isDryRun)
    }
}

/// `replica remove`.
struct ReplicaRemoveCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Forget a replica; what is there stays.",
        discussion: """
            It stays a replica, as it is. To free its space, remove its directory.

            Example:

              lifeboat replica remove attic
            """)

    @Argument(help: "The replica.")
    var name: String

    @OptionGroup var repository: RepositoryOptions
    @OptionGroup var output: OutputOptions

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        let operations = try run.operations(repository, secret: .none)
        return Report(removed: try operations.removeReplica(name))
    }
}

/// `replica promote`.
struct ReplicaPromoteCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "promote", abstract: "Make a repository of a replica whose own is lost.",
        discussion: """
            The replica is given as --repo. Afterwards hosts can back up to it and keepers prune it. \
            Do this only when the repository is lost for good: two that go different ways can never \
            be replicas of each other again. A host that had stored more than the replica has \
            refuses to go on with its old state directory: give it a new one.

            Example:

              lifeboat replica promote --repo /mnt/attic/repository
            """)

    @OptionGroup var repository: RepositoryOptions
    @OptionGroup var output: OutputOptions

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        let operations = try run.operations(repository, secret: .none)
        return Report(promoted: try operations.promoteReplica())
    }
}
