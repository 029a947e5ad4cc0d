import Foundation
public import LifeboatCore
import LifeboatSystem

/// The commands of QEMU's guest agent that quiescing needs, on any channel.
///
/// Answers are believed only as far as their form goes: what is missing, of another type or out of
/// bounds is `.damaged`. Source: QEMU, qga/qapi-schema.json.
public struct AgentCommands: Sendable {
    private let channel: any AgentChannel
    /// Whose agent it is, for messages.
    private let subject: String

    public init(_ channel: any AgentChannel, subject: String) {
        self.channel = channel
        self.subject = subject
    }

    /// What the agent says of its guest and of itself.
    public func system(timeoutSeconds: Double) throws(LifeboatError) -> GuestSystem {
        let deadline = Deadline(seconds: timeoutSeconds)
        let information = try call("guest-info", within: deadline.seconds)
        guard let version = information["version"]?.text,
            let list = information["supported_commands"]?.list
        else { throw strange("guest-info") }
        let allowed = Set(list.compactMap { $0["enabled"]?.flag == true ? $0["name"]?.text : nil })
        var system = GuestSystem(
            identifier: "unknown", name: "", agentVersion: Self.short(version),
            allowsCommands: allowed.isSuperset(of: ["guest-exec", "guest-exec-status"]))
        if allowed.contains("guest-get-osinfo") {
            let answer = try call("guest-get-osinfo", within: deadline.seconds)
            system.identifier = Self.short(answer["id"]?.text ?? "unknown")
            system.name = Self.short(answer["pretty-name"]?.text ?? answer["name"]?.text ?? "")
        }
        return system
    }

    public func isFrozen(timeoutSeconds: Double) throws(LifeboatError) -> Bool {
        switch try call("guest-fsfreeze-status", within: timeoutSeconds).text {
        case "frozen": return true
        case "thawed": return false
        default: throw strange("guest-fsfreeze-status")
        }
    }

    /// Freezes these mount points, or all file systems; returns how many were frozen.
    public func freeze(
        mountPoints: [String], timeoutSeconds: Double
    ) throws(LifeboatError) -> Int {
        if mountPoints.isEmpty {
            return try count("guest-fsfreeze-freeze", nil, within: timeoutSeconds)
        }
        return try count(
            "guest-fsfreeze-freeze-list",
            ["mountpoints": .array(mountPoints.map { .string($0) })], within: timeoutSeconds)
    }

    /// Lets all file systems run again; returns how many were thawed.
    public func thaw(timeoutSeconds: Double) throws(LifeboatError) -> Int {
        try count("guest-fsfreeze-thaw", nil, within: timeoutSeconds)
    }

    /// Starts a program and returns its process number in the guest.
    ///
    /// - Throws: `.denied` where the agent allows no commands.
    @discardableResult
    public func start(
        _ arguments: [String], capturesOutput: Bool = false, timeoutSeconds: Double
    ) throws(LifeboatError) -> Int64 {
        precondition(!arguments.isEmpty, "a program is named")
        let answer = try call(
            "guest-exec",
            [
                "path": .string(arguments[0]),
                "arg": .array(arguments.dropFirst().map { .string($0) }),
                "capture-output": .bool(capturesOutput),
            ], within: timeoutSeconds)
        guard let process = answer["pid"]?.integer, process > 0 else { throw strange("guest-exec") }
        return process
    }

    /// Runs a program to its end, and returns what it wrote.
    ///
    /// What does not end in time goes on in the guest.
    public func run(
        _ arguments: [String], timeoutSeconds: Double
    ) throws(LifeboatError) -> GuestCommandResult {
        let deadline = Deadline(seconds: timeoutSeconds)
        let process = try start(
            arguments, capturesOutput: true, timeoutSeconds: deadline.seconds)
        var pause = 0.02
        while true {
            let answer = try call(
                "guest-exec-status", ["pid": .integer(process)], within: deadline.seconds)
            guard let hasExited = answer["exited"]?.flag else { throw strange("guest-exec-status") }
            if hasExited {
                return GuestCommandResult(
                    exitCode: answer["exitcode"]?.integer.flatMap { Int(exactly: $0) },
                    output: try decoded(answer["out-data"]),
                    errorOutput: try decoded(answer["err-data"]))
            }
            guard deadline.seconds > pause else {
                throw LifeboatError(
                    .unavailable,
                    "\(arguments[0]) did not end in the guest within \(timeoutSeconds) s",
                    subject: subject)
            }
            Threads.sleep(seconds: pause)
            pause = min(pause * 2, 0.5)
        }
    }

    // MARK: the form of commands and answers

    private func call(
        _ name: String, _ arguments: JSON? = nil, within seconds: Double
    ) throws(LifeboatError) -> JSON {
        var command: [String: JSON] = ["execute": .string(name)]
        if let arguments { command["arguments"] = arguments }
        let reply = try channel.command(.object(command), timeoutSeconds: seconds)
        if let failure = reply["error"] {
            let isUnknown = failure["class"]?.text == "CommandNotFound"
            throw LifeboatError(
                isUnknown ? .denied : .refused,
                isUnknown
                    ? "the guest's agent does not take \(name)" : "\(name) failed in the guest",
                subject: subject, cause: Self.short(failure["desc"]?.text ?? "no reason given"))
        }
        guard let value = reply["return"] else { throw strange(name) }
        return value
    }

    private func count(
        _ name: String, _ arguments: JSON?, within seconds: Double
    ) throws(LifeboatError) -> Int {
        guard let count = try call(name, arguments, within: seconds).integer,
            (0...1_000_000).contains(count)
        else { throw strange(name) }
        return Int(count)
    }

    private func decoded(_ value: JSON?) throws(LifeboatError) -> [UInt8] {
        guard let value else { return [] }
        guard let text = value.text, let bytes = Data(base64Encoded: text) else {
            throw strange("guest-exec-status")
        }
        return Array(bytes)
    }

    private func strange(_ command: String) -> LifeboatError {
        LifeboatError(
            .damaged, "the guest's agent answers \(command) with something else", subject: subject)
    }

    /// Guests may say anything at any length.
    private static func short(_ text: String) -> String {
        String(text.prefix(200).filter { !$0.isNewline })
    }
}
