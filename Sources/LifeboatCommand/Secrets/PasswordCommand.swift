import LifeboatCodec
import LifeboatCore
import LifeboatSystem

/// A password that a shell command prints in its first line.
///
/// The command gets no input, its standard error is ours, and it must end well in time.
struct PasswordCommand {
    var command: String
    var deadlineSeconds = 60.0

    init(_ command: String) { self.command = command }

    func run(cancellation: Cancellation) throws(LifeboatError) -> SecretBytes {
        var launch = ChildProcess.Launch(["/bin/sh", "-c", command])
        launch.sharesErrorOutput = true
        // What is longer than a password can be is dropped, so that the command ends well.
        launch.outputLimit = PasswordFile.limit + 2
        let result: ChildProcess.Result
        do throws(LifeboatError) {
            result = try ChildProcess.run(
                launch, timeoutSeconds: deadlineSeconds, cancellation: cancellation)
        } catch {
            switch error.code {
            case .cancelled: throw error
            case .unavailable:
                throw failure("it took more than \(Int(deadlineSeconds)) seconds")
            default: throw failure(error.cause ?? error.message)
            }
        }
        switch result.ending {
        case .exited(0): break
        case .exited(let code): throw failure("it ended with exit code \(code)")
        case .killed(let signal): throw failure("signal \(signal) ended it")
        }
        return SecretBytes(
            try PasswordFile.firstLine(result.output, of: "the password command's output"))
    }

    private func failure(_ cause: String) -> LifeboatError {
        LifeboatError(
            .wrongKey, "the password command gave no password", cause: cause,
            advice: "run it alone and see what it prints: \(command)")
    }
}
