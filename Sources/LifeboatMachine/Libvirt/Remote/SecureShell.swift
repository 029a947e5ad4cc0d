internal import LifeboatCore
internal import LifeboatSystem

/// The ssh that libvirt itself reaches a host by.
struct SecureShell: Sendable, Equatable {
    var host: String
    var user: String?
    var port: Int?
    var keyFile: String?
    var knownHosts: String?
    /// The client; `ssh` when `nil`.
    var program: String?
    var verifiesHost = true

    private static let connectSeconds = 20
    private static let aliveSeconds = 5
    private static let aliveRounds = 3

    /// Everything before the command on the other host.
    func arguments(_ options: [String] = []) -> [String] {
        var result = [
            program ?? "ssh", "-T", "-e", "none", "-o", "BatchMode=yes", "-o",
            "ConnectTimeout=\(Self.connectSeconds)", "-o",
            "ServerAliveInterval=\(Self.aliveSeconds)", "-o",
            "ServerAliveCountMax=\(Self.aliveRounds)",
        ]
        if !verifiesHost { result += ["-o", "StrictHostKeyChecking=no"] }
        if let knownHosts { result += ["-o", "UserKnownHostsFile=\(knownHosts)"] }
        if let port { result += ["-p", String(port)] }
        if let user { result += ["-l", user] }
        if let keyFile { result += ["-i", keyFile] }
        return result + options + ["--", host]
    }

    /// Runs a program of the other host.
    func run(
        _ command: [String], outputLimit: Int = 1 << 20, timeoutSeconds: Double = 60
    ) throws(LifeboatError) -> ChildProcess.Result {
        // What follows the host is a line for the user's shell there.
        let line = command.map(ShellWord.quoted).joined(separator: " ")
        var launch = ChildProcess.Launch(arguments() + [line])
        launch.outputLimit = outputLimit
        return try ChildProcess.run(launch, timeoutSeconds: timeoutSeconds)
    }

    /// The bytes of a file of the other host; `nil` where there is none, or it may not be read.
    func read(_ path: String, limit: Int) -> [UInt8]? {
        guard
            let result = try? run(["cat", "--", path], outputLimit: limit, timeoutSeconds: 120),
            result.isSuccess, result.output.count < limit
        else { return nil }
        return result.output
    }
}
