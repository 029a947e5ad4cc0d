import ArgumentParser
import Lifeboat
import LifeboatCore

/// `key revoke`: ends a membership.
struct KeyRevokeCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke", abstract: "Revoke a writer or keeper.",
        discussion: """
            What the member stored until now stays and can be restored; nothing that it stores \
            later counts. It does not take back what the member knows: the secret of its domain, \
            and with it the names and sizes in the points of that domain. Data it could never read.

            Example:

              lifeboat key revoke 9c0d --recovery-key-file recovery.key
            """)

    @Argument(
        help: ArgumentHelp("A member's id of key list, or a unique prefix.", valueName: "member"))
    var member: String

    @Option(
        name: .customLong("recovery-key-file"),
        help: ArgumentHelp("The recovery key, which signs who is a member.", valueName: "file"),
        completion: .file())
    var recoveryKeyFile: String

    @OptionGroup var repository: RepositoryOptions
    @OptionGroup var output: OutputOptions

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        let operations = try run.operations(repository, secret: .recoveryKey(recoveryKeyFile))
        return Report(revoked: try operations.revoke(member))
    }
}
