internal import Glibc
internal import LifeboatCore
internal import LifeboatSystem

/// Finds the guest agent again that libvirt has lost.
///
/// libvirt 9.0 does not handle the news that a guest closed or opened its agent's channel while a
/// backup job runs: it waits for 30 s and drops them (seen; the job's mask lacks
/// `VIR_JOB_MODIFY_MIGRATION_SAFE`, src/qemu/qemu_backup.c). An agent that restarts meanwhile is
/// lost to libvirt until it restarts again, and a guest that it froze could not be thawed.
struct LostAgent {
    /// The channel's socket on the host, as QEMU has it now.
    private struct Port {
        let label: String
        /// Whether nobody is connected to it.
        let isFree: Bool
        /// Whether the guest has it open, as far as QEMU says.
        let isOpen: Bool
    }

    /// Libvirt says at once that it has no agent; one that is slow or hangs takes longer.
    static let promptSeconds = 0.8
    /// So long an agent that restarts may be on its way.
    private static let restartSeconds = 1.2
    private static let monitorSeconds = 5.0

    let domain: LibvirtDomain
    let socket: String
    /// Whether a dead connection of libvirt may be ended.
    let mayFreeSocket: Bool

    /// The agent's own socket, where the guest has its channel open and libvirt has no living
    /// connection to it; `nil` where libvirt is the way.
    ///
    /// `isStillLost`: asks the agent through libvirt once more, and says whether that failed as
    /// promptly as before.
    func find(isStillLost: () -> Bool) -> AgentSocket? {
        guard var port = port() else { return nil }
        if !port.isFree {
            guard port.isOpen, mayFreeSocket else { return nil }
            Threads.sleep(seconds: Self.restartSeconds)
            guard isStillLost() else { return nil }
            guard let freed = free() else { return nil }
            port = freed
        }
        // A socket that was made anew is not said to be open before the agent opens its channel again.
        guard port.isOpen || isOpenInGuest(port) else { return nil }
        return AgentSocket(path: socket)
    }

    /// What the device itself says, in QEMU's tree of devices for people: `guest on` in the lines
    /// of the one with this backend.
    private func isOpenInGuest(_ port: Port) -> Bool {
        let tree = try? domain.monitorCommand(
            "human-monitor-command", arguments: ["command-line": "info qtree"],
            timeoutSeconds: Self.monitorSeconds)
        let devices = tree?.text?.split(separator: "dev: ") ?? []
        return devices.contains {
            $0.contains("chardev = \"\(port.label)\"") && $0.contains(", guest on,")
        }
    }

    private func ports() -> [(file: String, port: Port)] {
        let devices = try? domain.monitorCommand(
            "query-chardev", timeoutSeconds: Self.monitorSeconds)
        // `unix:PATH,server=on`, or `disconnected:unix:PATH,server=on`.
        return devices?.list?.compactMap { device in
            guard let label = device["label"]?.text, let name = device["filename"]?.text
            else { return nil }
            let mark = "disconnected:"
            let isFree = name.hasPrefix(mark)
            let file = isFree ? String(name.dropFirst(mark.count)) : name
            let isOpen = device["frontend-open"]?.flag == true
            return (file, Port(label: label, isFree: isFree, isOpen: isOpen))
        } ?? []
    }

    private func port() -> Port? {
        ports().first { $0.file.hasPrefix("unix:\(socket),") }?.port
    }

    /// Ends libvirt's dead connection: QEMU gets another socket for the port, and then one at the
    /// old path again, where libvirt finds it when the agent opens its channel the next time.
    ///
    /// Through another path, since QEMU removes the path of the socket that it gives up.
    private func free() -> Port? {
        for _ in 0..<3 {
            guard let old = port() else { return nil }
            let other = "\(socket).\(Identifier.random().hex.prefix(8))"
            guard change(old.label, to: other) else { return port() }
            let isOurs = ports().contains { $0.file.hasPrefix("unix:\(other),") }
            if isOurs { _ = change(old.label, to: socket) }
            // Another process may have done the same meanwhile.
            if access(socket, F_OK) == 0, let port = port() { return port.isFree ? port : nil }
        }
        return nil
    }

    private func change(_ label: String, to path: String) -> Bool {
        let place: JSON = ["type": "unix", "data": ["path": .string(path)]]
        let backend: JSON = [
            "type": "socket", "data": ["addr": place, "server": true, "wait": false],
        ]
        let answer = try? domain.monitorCommand(
            "chardev-change", arguments: ["id": .string(label), "backend": backend],
            timeoutSeconds: Self.monitorSeconds)
        return answer != nil
    }
}
