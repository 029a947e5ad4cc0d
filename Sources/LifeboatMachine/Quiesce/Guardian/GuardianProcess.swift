import Glibc
public import LifeboatCore
import LifeboatSystem

/// Starts guardians as processes of their own.
///
/// Under systemd a guardian is a unit of its own, since what ends our unit ends all processes in
/// its control group; elsewhere it leads a session of its own.
public struct GuardianProcess: GuardianStarting {
    private let arguments: [String]
    private let usesUnit: Bool

    /// `arguments`: the program that runs `Guardian`, such as `lifeboat guardian`.
    public init(_ arguments: [String]) {
        self.init(
            arguments,
            usesUnit: Files.isDirectory("/run/systemd/system")
                && ChildProcess.find("systemd-run") != nil)
    }

    init(_ arguments: [String], usesUnit: Bool) {
        self.arguments = arguments
        self.usesUnit = usesUnit
    }

    public func start(
        _ orders: GuardianOrders, timeoutSeconds: Double
    ) throws(LifeboatError) -> any GuardianHandle {
        let deadline = Deadline(seconds: timeoutSeconds)
        if usesUnit, let child = launch(unit + arguments, orders, deadline.seconds / 2) {
            return Started(child: child)
        }
        guard let child = launch(arguments, orders, deadline.seconds) else {
            throw LifeboatError(
                .unavailable, "the guardian does not say that it is ready",
                subject: arguments.first)
        }
        return Started(child: child)
    }

    /// `--pipe` hands the unit our pipes, so that it hears of our end.
    private var unit: [String] {
        [
            "systemd-run", "--quiet", "--collect", "--pipe",
            "--unit=lifeboat-guardian-\(Identifier.random().hex)",
            "--property=KillMode=process", "--",
        ]
    }

    private func launch(
        _ arguments: [String], _ orders: GuardianOrders, _ seconds: Double
    ) -> ChildProcess? {
        var launch = ChildProcess.Launch(arguments)
        launch.isDetached = true
        launch.environment = ChildEnvironment.withoutSecrets()
        launch.keepsInputOpen = true
        launch.input = orders.line
        guard let child = try? ChildProcess(launch) else { return nil }
        if child.waitForLine("ready", seconds: seconds) { return child }
        // Nothing is frozen yet; the end of its input would have it look after all guests.
        child.kill()
        return nil
    }

    private struct Started: GuardianHandle {
        let child: ChildProcess

        func release(running: [Int]) {
            let words = ["release"] + running.map { "\($0)" }
            child.write(Array((words.joined(separator: " ") + "\n").utf8))
        }

        func finish() { child.write(Array("finished\n".utf8)) }
    }
}
