import LifeboatCore
import Yams

/// Reads the settings of one machine out of YAML, and says in which line something is wrong.
struct PolicyReader {
    /// A name and where it stands.
    struct Name {
        let text: String
        let node: Node
    }

    let path: String

    private static let known = [
        "quiesce", "freeze-timeout", "mount-points", "freeze-hooks", "dead-man", "disks", "hooks",
        "guest-commands", "foreign-checkpoints", "scratch-size",
    ]

    func read(_ node: Node, into policy: inout ProtectionPolicy) throws(LifeboatError) {
        for (name, value) in try table(node, "a machine") {
            switch name.text {
            case "quiesce": policy.quiesce = try choice(value, name.text)
            case "freeze-timeout": policy.freezeSeconds = try seconds(value, name.text)
            case "mount-points": policy.mountPoints = try texts(value, name.text)
            case "freeze-hooks": policy.hasFreezeHooks = try flag(value, name.text)
            case "dead-man": policy.armsDeadMan = try flag(value, name.text)
            case "disks": try readDisks(value, into: &policy)
            case "hooks":
                policy.hooks = try list(value, name.text).map { item throws(LifeboatError) in
                    try hook(item)
                }
            case "guest-commands":
                policy.guestCommands = try list(value, name.text).map {
                    item throws(LifeboatError) in try command(item)
                }
            case "foreign-checkpoints": policy.foreignCheckpoints = try choice(value, name.text)
            case "scratch-size": policy.scratchBytes = try bytes(value, name.text)
            default: throw unknown(name, "a machine", Self.known)
            }
        }
    }

    private func readDisks(
        _ node: Node, into policy: inout ProtectionPolicy
    ) throws(LifeboatError) {
        policy.includedDisks = []
        policy.excludedDisks = []
        for (name, value) in try table(node, "disks") {
            switch name.text {
            case "include": policy.includedDisks = try texts(value, "include")
            case "exclude": policy.excludedDisks = try texts(value, "exclude")
            default: throw unknown(name, "disks", ["include", "exclude"])
            }
        }
    }

    private func hook(_ node: Node) throws(LifeboatError) -> HostHook {
        var moment: HostHook.Moment?
        var arguments: [String] = []
        var hook = HostHook(moment: .beforeFreeze, arguments: [])
        for (name, value) in try table(node, "a hook") {
            switch name.text {
            case "when": moment = try choice(value, "when")
            case "run": arguments = try texts(value, "run")
            case "timeout": hook.timeoutSeconds = try seconds(value, "timeout")
            case "on-error": hook.onError = try choice(value, "on-error")
            default: throw unknown(name, "a hook", ["when", "run", "timeout", "on-error"])
            }
        }
        guard let moment else { throw fault(node, "a hook says when it is run") }
        guard !arguments.isEmpty else { throw fault(node, "a hook says what it runs") }
        hook.moment = moment
        hook.arguments = arguments
        return hook
    }

    private func command(_ node: Node) throws(LifeboatError) -> GuestCommand {
        var command = GuestCommand(arguments: [])
        for (name, value) in try table(node, "a guest command") {
            switch name.text {
            case "run": command.arguments = try texts(value, "run")
            case "timeout": command.timeoutSeconds = try seconds(value, "timeout")
            case "on-error": command.onError = try choice(value, "on-error")
            case "quiesces-applications":
                command.quiescesApplications = try flag(value, "quiesces-applications")
            default:
                throw unknown(
                    name, "a guest command",
                    ["run", "timeout", "on-error", "quiesces-applications"])
            }
        }
        guard !command.arguments.isEmpty else {
            throw fault(node, "a guest command says what it runs")
        }
        return command
    }
}
