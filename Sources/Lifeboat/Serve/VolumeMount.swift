public import LifeboatCore
import LifeboatSystem

/// A point's volume as a file of a directory, read-only, by way of FUSE.
///
/// Safe from many threads. Both ends with this process: the server and the file.
public final class VolumeMount: Sendable {
    /// What serves the point.
    public let server: PointServer
    public let volume: String
    /// The file that holds the volume's bytes.
    public let file: String

    private let directory: String
    private let process: ChildProcess

    private init(
        _ server: PointServer, _ volume: String, _ directory: String, _ process: ChildProcess
    ) {
        self.server = server
        self.volume = volume
        self.directory = directory
        file = directory + "/" + volume
        self.process = process
    }

    /// Serves the point and shows the volume as `directory`/`volume`; returns when it can be read.
    ///
    /// - Throws: as `PointServer.start`, and `.missing` without nbdfuse, `.refused` when the
    ///   directory is not empty, `.unavailable` with the words of nbdfuse.
    public static func start(
        _ options: ServeOptions, volume: String, directory: String
    ) throws(LifeboatError) -> VolumeMount {
        try start(options, volume: volume, directory: directory, isWritable: false)
    }

    /// `isWritable`: on an overlay that goes with the server.
    static func start(
        _ options: ServeOptions, volume: String, directory: String, isWritable: Bool
    ) throws(LifeboatError) -> VolumeMount {
        guard ChildProcess.find("nbdfuse") != nil else {
            throw LifeboatError(
                .missing, "there is no program nbdfuse", subject: "nbdfuse",
                advice: "install the package libnbd-bin")
        }
        let directory = Files.absolute(directory)
        try Files.makeDirectories(directory)
        guard try Files.list(directory).isEmpty else {
            throw LifeboatError(
                .refused, "the directory is not empty", subject: directory,
                advice: "name an empty one, or one that does not exist")
        }
        let server = try PointServer.start(options)
        do throws(LifeboatError) {
            guard server.volumes.contains(where: { $0.name == volume }) else {
                throw LifeboatError(
                    .missing, "point \(server.point.short) has no volume \(volume)",
                    subject: volume,
                    advice: "it has: \(server.volumes.map(\.name).joined(separator: ", "))")
            }
            let process = try ChildProcess(
                .init(
                    ["nbdfuse"] + (isWritable ? [] : ["--readonly"])
                        + [directory + "/" + volume, server.uri(volume: volume)]))
            let mount = VolumeMount(server, volume, directory, process)
            try mount.awaitFile(seconds: 30)
            return mount
        } catch {
            server.stop()
            throw error
        }
    }

    private func awaitFile(seconds: Double) throws(LifeboatError) {
        let deadline = Clock.monotonicSeconds() + seconds
        while true {
            if Files.exists(file) { return }
            let hasEnded = process.wait(seconds: 0.05) != nil
            guard hasEnded || Clock.monotonicSeconds() > deadline else { continue }
            let words = process.lastWords
            release()
            throw LifeboatError(
                .unavailable, "the volume could not be mounted", subject: directory,
                cause: words, advice: "FUSE is needed: /dev/fuse, and the package fuse3")
        }
    }

    /// Waits at most so many seconds for the end of either; whether one has ended.
    public func wait(seconds: Double) -> Bool {
        process.wait(seconds: seconds) != nil || !server.isRunning
    }

    /// Whether somebody unmounted it.
    public var wasUnmounted: Bool { process.wait(seconds: 0)?.isSuccess == true }

    /// What its programs said last.
    public var lastWords: String {
        [server.lastWords, process.lastWords].filter { !$0.isEmpty }.joined(separator: "; ")
    }

    private func release() {
        // Who has the file open must not keep the directory from being freed.
        if process.isRunning {
            _ = try? ChildProcess.run(
                .init(["fusermount3", "-u", "-z", directory]), timeoutSeconds: 10)
        }
        process.stop(graceSeconds: 3)
    }

    /// Takes the file away, and ends the server.
    public func stop() {
        release()
        server.stop()
    }
}
