public import LifeboatCore
import LifeboatSystem

extension HostHook {
    /// Runs it to its end, for a machine of a group.
    ///
    /// It gets this process's environment without what may hold secrets, and `LIFEBOAT_MACHINE`,
    /// `LIFEBOAT_MOMENT` and `LIFEBOAT_GROUP`.
    ///
    /// - Throws: `.unavailable` where it fails or does not end in time.
    public func run(
        machine: String, group: String, cancellation: Cancellation? = nil
    ) throws(LifeboatError) {
        guard let program = arguments.first else {
            throw LifeboatError(.usage, "a hook names no program")
        }
        var launch = ChildProcess.Launch(arguments)
        var environment = ChildEnvironment.withoutSecrets()
        environment["LIFEBOAT_MACHINE"] = machine
        environment["LIFEBOAT_MOMENT"] = moment.rawValue
        environment["LIFEBOAT_GROUP"] = group
        launch.environment = environment
        let result = try ChildProcess.run(
            launch, timeoutSeconds: timeoutSeconds, cancellation: cancellation)
        guard result.isSuccess else {
            let end =
                switch result.ending {
                case .exited(let code): "ended with code \(code)"
                case .killed(let signal): "was ended by signal \(signal)"
                }
            throw LifeboatError(
                .unavailable, "\(program) \(end)", subject: program,
                cause: result.lastWords.isEmpty ? nil : result.lastWords)
        }
    }
}
