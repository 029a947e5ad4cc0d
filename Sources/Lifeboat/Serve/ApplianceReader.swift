import LifeboatCore
import LifeboatSystem

/// Reads files of XFS and NTFS with libguestfs: a small virtual machine mounts them on an overlay,
/// with the drivers of a Linux kernel, so that journals are replayed.
struct ApplianceReader {
    private let serve: ServeOptions
    private let events: any EventSink
    private let cancellation: Cancellation

    init(_ serve: ServeOptions, _ events: any EventSink, _ cancellation: Cancellation) {
        self.serve = serve
        self.events = events
        self.cancellation = cancellation
    }

    func read(_ options: FileOptions, _ partition: Int?) throws(LifeboatError) -> [FileEntry] {
        guard ChildProcess.find("guestfish") != nil else {
            throw LifeboatError(
                .missing, "there is no program guestfish", subject: "guestfish",
                advice: "install the packages libguestfs-tools, libguestfs-xfs and a kernel")
        }
        let server = try PointServer.start(serve)
        defer { server.stop() }
        let path = options.path.hasPrefix("/") ? options.path : "/" + options.path
        let device = "/dev/sda" + (partition.map(String.init) ?? "")
        var commands = ["mount \(device) /", "ll \(Self.quoted(path))"]
        if let target = options.target {
            let target = Files.absolute(target)
            commands.append("copy-out \(Self.quoted(path)) \(Self.quoted(target))")
        }
        let disk = Self.address(server.uri(volume: options.volume))
        var appliance = Appliance(
            ["guestfish", "--ro", "--format=raw", "--add", disk], events, cancellation)
        if let seconds = options.applianceSeconds { appliance.startSeconds = seconds }
        let result = try appliance.run(commands)
        guard result.isSuccess else {
            let isMissing = result.lastWords.contains("No such file or directory")
            throw LifeboatError(
                isMissing ? .missing : .unreadable,
                isMissing ? "there is no such file" : "the file system cannot be read",
                subject: path, cause: result.lastWords)
        }
        return Self.entries(String(decoding: result.output, as: UTF8.self))
    }

    /// guestfish names sockets in a way of its own.
    static func address(_ uri: String) -> String {
        uri.hasPrefix("nbd+unix://") ? "nbd://" + uri.dropFirst("nbd+unix://".count) : uri
    }

    /// As guestfish reads words.
    static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": result += "\\" + String(scalar)
            case "\n": result += "\\n"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    /// Reads what `ls -la` writes.
    static func entries(_ text: String) -> [FileEntry] {
        text.split(separator: "\n").compactMap { line in
            let parts = line.split(separator: " ", maxSplits: 8)
            guard parts.count == 9, let size = UInt64(parts[4]) else { return nil }
            let name = parts[8].components(before: " -> ", isLink: parts[0].hasPrefix("l"))
            let shown = name.split(separator: "/").last.map(String.init) ?? name
            guard shown != ".", shown != ".." else { return nil }
            return FileEntry(name: shown, mode: String(parts[0].prefix(10)), size: size)
        }
    }
}

extension Substring {
    /// The part before where a link points, for links.
    fileprivate func components(before mark: String, isLink: Bool) -> String {
        guard isLink else { return String(self) }
        var rest = self
        while !rest.isEmpty {
            if rest.hasPrefix(mark) { return String(self[..<rest.startIndex]) }
            rest = rest.dropFirst()
        }
        return String(self)
    }
}
