import LifeboatArchive
public import LifeboatCore
import LifeboatMachine
import LifeboatSystem

/// A session of instant recovery that a process in the background looks after.
public struct BackgroundRecovery: Sendable {
    /// `nil` where it is at its end already.
    public var session: String?
    /// The process's number.
    public var keeper: Int32
    /// Where that process writes what it does, and at last its result.
    public var log: String
    /// Names of the machines that run.
    public var machines: [String]
}

extension Operations {
    /// How long machines may take to be started.
    private static var startSeconds: Double { 3600 }
    /// How long what processes in the background wrote is kept.
    private static var logSeconds: Double { 30 * 86_400 }

    /// Runs `command`, which recovers machines at once, in the background, and returns when the
    /// machines run.
    ///
    /// - Throws: what it failed with.
    public func recoverInBackground(
        _ command: [String]
    ) throws(LifeboatError) -> BackgroundRecovery {
        let repository = try openRepository(readsOnly: true)
        _ = try repository.requireRecovery()
        let directories = repository.directories
        let folder = InstantRecord.folder(directories)
        try Files.makeDirectories(folder)
        Self.removeOldLogs(folder, directories)
        let log = "\(folder)/keeper-\(Identifier.random().hex.prefix(8)).log"
        try Files.writeAtomically(log, [], replace: false)
        var launch = ChildProcess.Launch(
            ["/bin/sh", "-c", #"log=$1; shift; exec "$@" >>"$log" 2>&1"#, "sh", log] + command
                + ["--keeper-log", log])
        launch.isDetached = true
        let child = try ChildProcess(launch)
        let deadline = Clock.monotonicSeconds() + Self.startSeconds
        while Clock.monotonicSeconds() < deadline {
            if let ending = child.wait(seconds: 0.1) {
                return try Self.ended(ending, child, log)
            }
            if let record = (try? InstantRecord.all(directories))?
                .first(where: { $0.keeper == child.identifier })
            {
                return BackgroundRecovery(
                    session: record.session, keeper: child.identifier, log: log,
                    machines: record.machines.map(\.name))
            }
            if cancellation.isCancelled {
                // It takes back what it has made.
                child.stop(graceSeconds: 60)
                throw LifeboatError(.cancelled, "interrupted", subject: log)
            }
        }
        throw LifeboatError(
            .unavailable, "the machines did not start within \(Self.startSeconds) s",
            subject: log, advice: "process \(child.identifier) is still at it: read \(log)")
    }

    private static func ended(
        _ result: ChildProcess.Result, _ child: ChildProcess, _ log: String
    ) throws(LifeboatError) -> BackgroundRecovery {
        let lines = (Files.text(log) ?? "").split(separator: "\n")
        let object = lines.last { $0.hasPrefix("{") }.flatMap {
            try? JSON(parsing: Array($0.utf8), subject: log)
        }
        if let error = object?["error"], let message = error["message"]?.text {
            let code = error["code"]?.text?.filter { $0 != "_" }.lowercased()
            throw LifeboatError(
                LifeboatError.Code.allCases.first { $0.rawValue.lowercased() == code }
                    ?? .internalFault, message, subject: error["subject"]?.text,
                cause: error["cause"]?.text, advice: error["advice"]?.text)
        }
        guard let machines = object?["machines"]?.list else {
            throw LifeboatError(
                .internalFault, "the process in the background ended early", subject: log,
                cause: lines.suffix(3).joined(separator: "; "))
        }
        return BackgroundRecovery(
            session: nil, keeper: child.identifier, log: log,
            machines: machines.compactMap { $0["name"]?.text })
    }

    private static func removeOldLogs(_ folder: String, _ directories: LocalDirectories) {
        let used = ((try? InstantRecord.all(directories)) ?? []).compactMap(\.log)
        for name in (try? Files.list(folder)) ?? [] where name.hasSuffix(".log") {
            let path = folder + "/" + name
            guard !used.contains(path), let file = try? File(path: path, access: .read),
                let age = file.ageSeconds, age > logSeconds
            else { continue }
            try? Files.remove(path)
        }
    }
}
