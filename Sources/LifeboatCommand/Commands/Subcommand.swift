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
        Signals.cancel(invocation.cancellation)
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

    /// The operations on a repository that is opened with what the options say.
    func operations(
        _ repository: RepositoryOptions, _ secret: SecretOptions, recoveryKeyFile: String? = nil
    ) throws(LifeboatError) -> Operations {
        // First what costs nothing: a missing --repo is told before a password is asked for.
        _ = try repository.location(environment)
        let source = SecretSource(
            secret, recoveryKeyFile: recoveryKeyFile, environment: environment)
        return try operations(
            repository, secret: try source.secret(self), recoveryKeyFile: recoveryKeyFile)
    }

    func operations(
        _ repository: RepositoryOptions, secret: RepositoryAccess.Secret,
        recoveryKeyFile: String? = nil
    ) throws(LifeboatError) -> Operations {
        let access = RepositoryAccess(
            location: try repository.location(environment), secret: secret,
            recoveryKeyFile: recoveryKeyFile,
            stateDirectory: try environment.stateDirectory(option: repository.stateDirectory),
            cacheDirectory: try environment.cacheDirectory(option: repository.cache.directory),
            environment: environment.forStores)
        return Operations(access: access, events: console, cancellation: cancellation)
    }
}
