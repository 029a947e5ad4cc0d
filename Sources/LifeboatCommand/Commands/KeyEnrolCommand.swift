import ArgumentParser
import Lifeboat
import LifeboatCore

/// `key enrol`: another writer or keeper.
struct KeyEnrolCommand: Subcommand {
    /// What the new member may do.
    enum RoleArgument: String, ExpressibleByArgument, CaseIterable {
        case writer
        case keeper

        var role: MemberRole {
            switch self {
            case .writer: .writer
            case .keeper: .keeper
            }
        }
    }

    static let configuration = CommandConfiguration(
        commandName: "enrol", abstract: "Enrol another host as writer or keeper.",
        discussion: """
            A writer backs up; a keeper forgets points and collects what nobody needs. The new \
            member gets keys of its own, wrapped by a new password or key file, which is asked for \
            on the terminal, twice, unless an option says where it is. Take it to the new host.

            Writers of one domain share what they store, and can read each other's file lists. A \
            host that others must not learn from belongs into a domain of its own.

            Example:

              lifeboat key enrol --role writer --label db1 --new-key-file db1.key \
            --recovery-key-file recovery.key
            """)

    @Option(help: ArgumentHelp("What it may do: writer or keeper.", valueName: "role"))
    var role: RoleArgument

    @Option(
        help: ArgumentHelp(
            "The domain it belongs to: an id of key list, a unique prefix, or new. Else the first.",
            valueName: "domain"))
    var domain: String?

    @Option(help: ArgumentHelp("What key list shows for it.", valueName: "text"))
    var label = ""

    @OptionGroup var newSecret: NewSecretOptions

    @Option(
        name: .customLong("recovery-key-file"),
        help: ArgumentHelp("The recovery key, which signs who is a member.", valueName: "file"),
        completion: .file())
    var recoveryKeyFile: String

    @OptionGroup var repository: RepositoryOptions
    @OptionGroup var output: OutputOptions

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        let operations = try run.operations(repository, secret: .recoveryKey(recoveryKeyFile))
        let secret = try newSecret.secret(run)
        return Report(
            try operations.enrol(
                role.role, domain: enrolmentDomain, label: label, secret: secret))
    }

    private var enrolmentDomain: EnrolmentDomain {
        guard let domain else { return .first }
        return domain == "new" ? .new : .existing(domain)
    }
}
