public import LifeboatCore

/// A machine to back up, as it is named on the command line.
public enum MachineSource: Sendable, Hashable {
    /// `libvirt:DOMAIN`: a domain's name or UUID.
    case libvirt(domain: String)
    /// `qemu:QMP-SOCKET[,agent=SOCKET][,name=NAME]`: QEMU without libvirt.
    case qemu(QEMULocation)
    /// `dir-hooks:FILE.yaml`: volumes that hooks freeze.
    case directoryHooks(file: String)

    /// Reads a source; `nil` for what names no machine, and so a volume.
    ///
    /// - Throws: `.usage` for a machine that is named wrongly.
    public init?(parsing text: String) throws(LifeboatError) {
        guard let colon = text.firstIndex(of: ":") else { return nil }
        let rest = String(text[text.index(after: colon)...])
        switch text[..<colon] {
        case "libvirt":
            guard !rest.isEmpty, !rest.contains("/") else {
                throw Self.wrong(text, "libvirt: is followed by the name of a domain")
            }
            self = .libvirt(domain: rest)
        case "qemu":
            self = .qemu(try QEMULocation(parsing: rest, of: text))
        case "dir-hooks":
            guard rest.hasSuffix(".yaml") || rest.hasSuffix(".yml") else {
                throw Self.wrong(text, "dir-hooks: is followed by the path of a YAML file")
            }
            self = .directoryHooks(file: rest)
        default:
            return nil
        }
    }

    /// Reads the members of a group, with commas between them; a bare word is a libvirt domain.
    ///
    /// - Throws: `.usage` for a member that is no machine or is named twice.
    public static func group(parsing text: String) throws(LifeboatError) -> [MachineSource] {
        var members: [String] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            // The settings of a `qemu:` member have commas before them, too.
            if let last = members.last, last.hasPrefix("qemu:"),
                QEMULocation.settings.contains(where: { part.hasPrefix($0 + "=") })
            {
                members[members.count - 1] = last + "," + part
            } else {
                members.append(String(part))
            }
        }
        var sources: [MachineSource] = []
        for member in members {
            let source: MachineSource
            if let found = try MachineSource(parsing: member) {
                source = found
            } else if !member.isEmpty, !member.contains("/"), !member.contains(":") {
                source = .libvirt(domain: member)
            } else {
                throw wrong(text, "\"\(member)\" names no machine")
            }
            guard !sources.contains(source) else {
                throw wrong(text, "\"\(member)\" is there twice")
            }
            sources.append(source)
        }
        return sources
    }

    static func wrong(_ text: String, _ message: String) -> LifeboatError {
        LifeboatError(
            .usage, message, subject: text,
            advice: "write libvirt:DOMAIN, qemu:QMP-SOCKET[,agent=SOCKET][,name=NAME] "
                + "or dir-hooks:FILE.yaml")
    }
}

/// Where a QEMU that no libvirt runs can be reached.
public struct QEMULocation: Sendable, Hashable {
    /// The path of its QMP socket.
    public var socket: String
    /// The path of its guest agent's socket; `nil` where there is none.
    public var agent: String?
    /// What to call the machine; the name that QEMU was given when `nil`.
    public var name: String?

    public init(socket: String, agent: String? = nil, name: String? = nil) {
        self.socket = socket
        self.agent = agent
        self.name = name
    }

    static let settings = ["agent", "name"]

    init(parsing rest: String, of text: String) throws(LifeboatError) {
        let parts = rest.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        guard let first = parts.first, !first.isEmpty, !first.contains("=") else {
            throw MachineSource.wrong(text, "qemu: is followed by the path of a QMP socket")
        }
        socket = first
        for part in parts.dropFirst() {
            let pair = part.split(separator: "=", maxSplits: 1).map(String.init)
            guard pair.count == 2, !pair[1].isEmpty else {
                throw MachineSource.wrong(text, "\"\(part)\" is no setting with a value")
            }
            switch pair[0] {
            case "agent" where agent == nil: agent = pair[1]
            case "name" where name == nil: name = pair[1]
            case "agent", "name":
                throw MachineSource.wrong(text, "\"\(pair[0])\" is there twice")
            default:
                throw MachineSource.wrong(text, "there is no setting \"\(pair[0])\"")
            }
        }
    }
}
