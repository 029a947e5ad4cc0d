internal import LifeboatCore
internal import LifeboatSystem

/// Looks for what keeps machines from being protected well, and says how to mend it.
///
/// It changes nothing.
public struct MachineDoctor: Sendable {
    public var uri: String
    public var scratchDirectory: String
    /// Where guardians leave their alarms.
    public var runDirectory: String

    private static let usableLibvirt = LibvirtVersion(7, 2, 0)
    private static let goodLibvirt = LibvirtVersion(7, 6, 0)
    private static let usableQEMU = LibvirtVersion(4, 2, 0)
    private static let goodQEMU = LibvirtVersion(6, 1, 0)
    private static let littleSpace: UInt64 = 1 << 30

    public init(
        uri: String = LibvirtConnection.systemURI, scratchDirectory: String,
        runDirectory: String = "/run/lifeboat"
    ) {
        self.uri = uri
        self.scratchDirectory = scratchDirectory
        self.runDirectory = runDirectory
    }

    /// Examines the host, and one machine or all.
    public func examine(machine: String? = nil) -> [MachineFinding] {
        var findings = programs() + scratch() + alarms(machine)
        let connection: LibvirtConnection
        do throws(LifeboatError) {
            connection = try LibvirtConnection(uri: uri, timeoutSeconds: 60)
            findings += try versions(connection)
            findings += confinement(connection)
            var domains: [LibvirtDomain] = []
            if let machine {
                domains = [try connection.domain(name: machine)]
            } else {
                domains = try connection.domains()
            }
            for domain in domains {
                do throws(LifeboatError) {
                    findings += try DomainExamination(domain).findings()
                } catch {
                    findings.append(
                        .init(
                            .problem, "machine", machine: domain.name,
                            "it cannot be looked at: \(error)"))
                }
            }
        } catch {
            findings.append(
                .init(
                    .problem, "libvirt", machine: machine,
                    error.message
                        + (error.cause.map { " (\($0))" } ?? ""), advice: error.advice))
        }
        return findings
    }

    // MARK: the host

    private func programs() -> [MachineFinding] {
        ["qemu-img", "qemu-nbd"].map { name in
            ChildProcess.find(name) == nil
                ? .init(
                    .warning, "programs",
                    "there is no program \(name), without which machines that are shut off cannot "
                        + "be backed up", advice: "install qemu-utils or qemu-img")
                : .init(.good, "programs", "\(name) is there")
        }
    }

    private func versions(_ connection: LibvirtConnection) throws(LifeboatError) -> [MachineFinding]
    {
        func judge(
            _ name: String, _ version: LibvirtVersion, _ usable: LibvirtVersion,
            _ good: LibvirtVersion
        ) -> MachineFinding {
            if version < usable {
                return .init(
                    .problem, "versions",
                    "\(name) \(version) cannot back up running machines; \(usable) is the least",
                    advice: "update it, or back up machines that are shut off")
            }
            if version < good {
                return .init(
                    .warning, "versions",
                    "\(name) \(version) has incremental backup switched off by default",
                    advice: "update it to \(good) or newer")
            }
            return .init(.good, "versions", "\(name) \(version)")
        }
        var findings = [
            judge("libvirt", try connection.version(), Self.usableLibvirt, Self.goodLibvirt)
        ]
        if let version = try? connection.hypervisorVersion() {
            findings.append(judge("QEMU", version, Self.usableQEMU, Self.goodQEMU))
        }
        return findings
    }

    private func scratch() -> [MachineFinding] {
        guard Files.isDirectory(scratchDirectory) else {
            return [
                .init(
                    .advice, "scratch", "there is no folder \(scratchDirectory) for scratch files",
                    advice: "it is made with the first backup; see that its file system has room")
            ]
        }
        guard let free = Files.availableBytes(scratchDirectory) else { return [] }
        if free < Self.littleSpace {
            return [
                .init(
                    .warning, "scratch",
                    "\(scratchDirectory) has only \(free >> 20) MiB left for scratch files",
                    advice: "choose a folder with room for what guests write during a backup")
            ]
        }
        return [.init(.good, "scratch", "\(scratchDirectory) has \(free >> 30) GiB left")]
    }

    /// What guardians could not mend; the run that finds the guest thawed takes it away.
    private func alarms(_ machine: String?) -> [MachineFinding] {
        GuardianAlarm.all(in: runDirectory)
            .filter { machine == nil || $0.machine == machine }
            .map {
                .init(
                    .problem, "alarm", machine: $0.machine,
                    "an earlier run says: \($0.message)", advice: $0.advice)
            }
    }

    /// What confines QEMU on this host must let it make sockets and scratch files.
    private func confinement(_ connection: LibvirtConnection) -> [MachineFinding] {
        guard let text = try? connection.capabilities(), let root = XMLTree.parse(text) else {
            return []
        }
        let models = (root["host"]?.all("secmodel") ?? []).compactMap { $0["model"]?.text }
        guard let model = models.first(where: { $0 == "apparmor" || $0 == "selinux" }) else {
            return [.init(.good, "confinement", "nothing keeps QEMU from making files")]
        }
        let advice =
            model == "apparmor"
            ? "if a backup fails with `Permission denied`, allow these folders in "
                + "/etc/apparmor.d/local/abstractions/libvirt-qemu"
            : "if a backup fails with `Permission denied`, label these folders svirt_image_t"
        return [
            .init(
                .advice, "confinement",
                "\(model) decides whether QEMU may make its socket and scratch files in "
                    + scratchDirectory, advice: advice)
        ]
    }
}
