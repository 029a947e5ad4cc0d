import LifeboatCore
import LifeboatSystem
import LifeboatTesting
import LifeboatVolume
import Testing

/// An nbdkit that serves until this object goes.
final class NBDKit: Sendable {
    let folder: TemporaryDirectory
    let child: ChildProcess
    let uri: String
    var socket: String { folder.file("socket") }

    /// `arguments`: filters, the plugin and its parameters.
    init(
        _ arguments: [String], folder: TemporaryDirectory? = nil, isReadOnly: Bool = false
    ) throws {
        self.folder = try folder ?? TemporaryDirectory()
        let socket = self.folder.file("socket")
        child = try ChildProcess(
            .init(["nbdkit", "-f", "-U", socket] + (isReadOnly ? ["-r"] : []) + arguments))
        uri = "nbd+unix:///?socket=\(socket)"
        try Self.await { try UNIXSocket.isListening(socket) || !self.child.isRunning }
        try #require(child.isRunning, "nbdkit: \(child.lastWords)")
    }

    deinit { child.kill() }

    /// Waits for something that comes soon.
    static func await(_ condition: () throws -> Bool) throws {
        let deadline = Clock.monotonicSeconds() + 60
        while try !condition() {
            try #require(Clock.monotonicSeconds() < deadline, "it did not come")
            Threads.sleep(seconds: 0.02)
        }
    }
}

extension VolumeReader {
    func bytes(_ offset: UInt64, _ count: Int) throws(LifeboatError) -> [UInt8] {
        let buffer = Buffer(capacity: count)
        buffer.count = count
        try read(
            at: offset, into: UnsafeMutableRawBufferPointer(rebasing: buffer.storage[..<count]))
        return Array(buffer.bytes)
    }
}

extension VolumeWriter {
    func write(_ bytes: [UInt8], at offset: UInt64) throws(LifeboatError) {
        try bytes.withBytes { raw throws(LifeboatError) in try write(at: offset, raw) }
    }
}

/// What reading or the like throws.
func failure(_ body: () throws(LifeboatError) -> Void) -> LifeboatError? {
    do throws(LifeboatError) {
        try body()
        return nil
    } catch {
        return error
    }
}
