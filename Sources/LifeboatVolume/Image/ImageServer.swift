internal import Glibc
public import LifeboatCore
internal import LifeboatSystem

/// A disk image whose content a `qemu-nbd` of ours serves as long as this object lives.
///
/// Its socket lies in a directory that nobody else may enter. A machine that has the image open
/// keeps this one from starting, and this one, while it runs, keeps machines from writing to it.
public final class ImageServer: Sendable {
    /// For `NBDVolume` and `NBDTarget`.
    public let uri: String
    /// For messages.
    public let path: String
    private let child: ChildProcess
    private let directory: String

    private static let connections = 8
    /// `sun_path` of UNIX sockets, with its zero at the end.
    private static let longestSocketPath = 107

    /// Starts to serve an image.
    ///
    /// - Parameters:
    ///   - bitmap: a persistent bitmap of a qcow2 image, to be told as `dirtyContext(bitmap)`.
    ///   - timeoutSeconds: until it must answer.
    /// - Throws: `.missing` for an image that is not there, `.refused` where a machine has it
    ///   open, `.unreadable` with QEMU's words otherwise.
    public init(
        path: String, format: ImageFormat, isWritable: Bool = false, bitmap: String? = nil,
        timeoutSeconds: Double = 30
    ) throws(LifeboatError) {
        guard let whole = Files.realPath(path) else {
            throw LifeboatError(.missing, "there is no image \(path)", subject: path)
        }
        directory = try Self.makeDirectory()
        let socket = directory + "/s"
        self.path = path
        uri = NBDAddress.local(socket: socket)
        var arguments = [
            "qemu-nbd", "--persistent", "--shared=\(Self.connections)", "--socket=\(socket)",
            "--format=\(format.rawValue)",
        ]
        if isWritable {
            arguments.append("--discard=unmap")
        } else {
            arguments.append("--read-only")
        }
        if let bitmap { arguments.append("--bitmap=\(bitmap)") }
        do throws(LifeboatError) {
            // A whole path is a file's, whatever colons it has.
            child = try ChildProcess(.init(arguments + [whole]))
        } catch {
            try? Files.removeTree(directory)
            throw error
        }
        do throws(LifeboatError) {
            try Self.wait(for: child, uri, socket, path, timeoutSeconds)
        } catch {
            child.kill()
            try? Files.removeTree(directory)
            throw error
        }
    }

    deinit { close() }

    /// The metadata context of a bitmap that is served.
    public static func dirtyContext(_ bitmap: String) -> String { "qemu:dirty-bitmap:\(bitmap)" }

    /// What QEMU has said so far, for messages.
    public var lastWords: String { child.lastWords }

    /// Ends serving; what was written and synced is in the image then.
    public func close() {
        child.stop(graceSeconds: 60)
        if Files.exists(directory) { try? Files.removeTree(directory) }
    }

    private static func wait(
        for child: ChildProcess, _ uri: String, _ socket: String, _ path: String,
        _ timeoutSeconds: Double
    ) throws(LifeboatError) {
        let deadline = Clock.monotonicSeconds() + timeoutSeconds
        var last = "it made no socket"
        while true {
            if let ended = child.wait(seconds: 0.02) { throw failure(ended.lastWords, path) }
            if Files.exists(socket) {
                do throws(NBDFault) {
                    _ = try NBDConnection(uri: uri, options: .init(), timeoutSeconds: 5)
                    return
                } catch {
                    last = error.cause
                }
            }
            guard Clock.monotonicSeconds() < deadline else {
                throw LifeboatError(
                    .unavailable,
                    "qemu-nbd did not serve \(path) within \(timeoutSeconds) s", subject: path,
                    cause: child.lastWords.isEmpty ? last : child.lastWords)
            }
        }
    }

    private static func failure(_ words: String, _ path: String) -> LifeboatError {
        if words.contains(" lock") {
            return LifeboatError(
                .refused, "a machine or another program has the image \(path) open",
                subject: path, cause: words,
                advice: "back up the machine instead, as libvirt:DOMAIN or qemu:SOCKET, "
                    + "or stop it first")
        }
        let isOther = words.contains("Image is not in")
        return LifeboatError(
            words.contains("Permission denied") ? .denied : .unreadable,
            "QEMU cannot open the image \(path)", subject: path, cause: words,
            advice: isOther ? "give it a name whose ending is that of its format" : nil)
    }

    private static func makeDirectory() throws(LifeboatError) -> String {
        let name = "/lifeboat-\(Identifier.random().hex)"
        let wanted = Files.environment("TMPDIR") ?? "/tmp"
        let isShort =
            wanted.hasPrefix("/")
            && wanted.utf8.count + name.utf8.count + 2
                <= longestSocketPath
        let path = (isShort ? wanted : "/tmp") + name
        // Made here or not at all: one that somebody else has made would be theirs.
        guard mkdir(path, 0o700) == 0 else {
            throw .system("cannot make directory \(path)", path: path, number: errno)
        }
        return path
    }
}
