import ArgumentParser
import Lifeboat
import LifeboatCore

/// A command that does something and has a result.
protocol Subcommand: ParsableCommand {
    var output: OutputOptions { get }
    /// True when standard output carries a volume's data, so that nothing else may.
    var writesData: Bool { get }
    func perform(_ run: Invocation) throws(LifeboatError) -> Report
}

extension Subcommand {
    var writesData: Bool { false }

    /// Runs it, tells the result or the error, and throws the exit code where that is not 0.
    func run() throws {
        let environment = Environment.current
        let invocation = Invocation(
            console: Console(output, environment: environment), cancellation: Cancellation(),
            environment: environment)
        Signals.handle(cancel: invocation.cancellation, reread: invocation.rereading)
        let status = finish(invocation)
        if status != .success { throw ExitCode(status.rawValue) }
    }

    private func finish(_ invocation: Invocation) -> ExitStatus {
        do throws(LifeboatError) {
            var report = try perform(invocation)
            if writesData { report.usesStandardError = true }
            guard invocation.console.write(report) else {
                throw LifeboatError(
                    .internalFault, "it is done, but the result could not be written")
            }
            return report.status
        } catch {
            let told = Self.told(error, invocation.cancellation)
            invocation.console.fail(told, usesStandardError: writesData)
            return ErrorReport(told).status
        }
    }

    /// After a signal a store is not waited for: that it did not answer is no news then.
    static func told(_ error: LifeboatError, _ cancellation: Cancellation) -> LifeboatError {
        guard error.code == .unavailable, cancellation.isCancelled else { return error }
        return LifeboatError(
            .cancelled, "interrupted", subject: error.subject, cause: error.message)
    }
}

/// What one run of a command has at hand.
struct Invocation: Sendable {
    var console: Console
    var cancellation: Cancellation
    var environment: Environment
    /// Asks that the links be read again.
    var rereading = Rereading()

    /// The operations on a repository that is opened with what the options say.
    ///
    /// `spool`: given by commands that can do with a spool where the link is suspended.
    func operations(
        _ repository: RepositoryOptions, _ secret: SecretOptions, recoveryKeyFile: String? = nil,
        spool: SpoolOptions? = nil
    ) throws(LifeboatError) -> Operations {
        // First what costs nothing: a missing --repo is told before a password is asked for.
        var access = try access(repository)
        access.spool = spool?.settings
        try access.check(usesSpool: spool != nil)
        let source = SecretSource(
            secret, recoveryKeyFile: recoveryKeyFile, environment: environment)
        access.secret = try source.secret(self)
        access.recoveryKeyFile = recoveryKeyFile
        return Operations(access: access, events: console, cancellation: cancellation)
    }

    func operations(
        _ repository: RepositoryOptions, secret: RepositoryAccess.Secret,
        recoveryKeyFile: String? = nil, spool: SpoolOptions? = nil
    ) throws(LifeboatError) -> Operations {
        var access = try access(repository)
        access.spool = spool?.settings
        try access.check(usesSpool: spool != nil)
        access.secret = secret
        access.recoveryKeyFile = recoveryKeyFile
        return Operations(access: access, events: console, cancellation: cancellation)
    }

    /// Finds out what speaks against using the repository, before anything is asked of anybody.
    func check(_ repository: RepositoryOptions) throws(LifeboatError) {
        try access(repository).check()
    }

    /// The way to the repository, without a secret.
    private func access(_ repository: RepositoryOptions) throws(LifeboatError) -> RepositoryAccess {
        var network = network(repository.network.links)
        repository.network.restrict(&network)
        return RepositoryAccess(
            location: try repository.location(environment), secret: .none,
            stateDirectory: try environment.stateDirectory(option: repository.state.directory),
            cacheDirectory: try environment.cacheDirectory(option: repository.cache.directory),
            environment: environment.forStores, network: network)
    }

    /// Where this host's links are described, and who hears of faults in them.
    func network(_ links: LinkOptions) -> NetworkOptions {
        var network = NetworkOptions()
        (network.linkFiles, network.needsLinkFile) = environment.linkFiles(option: links.file)
        network.rereading = rereading
        network.events = console
        return network
    }
}
