internal import Glibc
internal import LifeboatCore
internal import LifeboatSystem

/// A socket of this host behind which one of another host is, as long as this object lives.
final class SocketTunnel: Sendable {
    private let child: ChildProcess
    private let host: String

    private static let readySeconds = 40.0

    /// Returns when the other host has been reached; its socket may come later.
    init(_ shell: SecureShell, local: String, remote: String) throws(LifeboatError) {
        host = shell.host
        // A command that ends with its input, and so with this process, however that ends.
        var launch = ChildProcess.Launch(
            shell.arguments([
                "-o", "ExitOnForwardFailure=yes", "-o", "StreamLocalBindMask=0177",
                "-o", "ControlMaster=no", "-o", "ControlPath=none", "-L",
                "\(local):\(remote)",
            ]) + ["cat"])
        launch.keepsInputOpen = true
        child = try ChildProcess(launch)
        let deadline = Clock.monotonicSeconds() + Self.readySeconds
        while !Files.exists(local) {
            if let ended = child.wait(seconds: 0.05) {
                throw LifeboatError(
                    .unavailable, "ssh does not reach \(shell.host)", subject: shell.host,
                    cause: ended.lastWords,
                    advice: "it must need no password: see that `ssh \(shell.host) true` succeeds")
            }
            guard Clock.monotonicSeconds() < deadline else {
                child.kill()
                throw LifeboatError(
                    .unavailable,
                    "ssh made no tunnel to \(shell.host) within "
                        + "\(Int(Self.readySeconds)) s", subject: shell.host,
                    cause: child.lastWords)
            }
        }
    }

    deinit { close() }

    /// Why nothing comes through any more; `nil` while it stands.
    ///
    /// Asked when a connection broke: its program may need a moment to end.
    var fault: LifeboatError? {
        guard child.wait(seconds: 1) != nil else { return nil }
        return LifeboatError(
            .unavailable, "the tunnel to \(host) has ended", subject: host,
            cause: child.lastWords.isEmpty ? nil : child.lastWords,
            advice: "see why ssh ends, and back up again")
    }

    func close() { child.stop(graceSeconds: 2) }
}
