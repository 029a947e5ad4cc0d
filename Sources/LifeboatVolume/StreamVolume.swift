public import LifeboatCore
internal import LifeboatSystem

/// A volume that arrives as a stream, such as standard input: read once, front to back.
public final class StreamVolume: Sendable {
    /// What to call it in messages.
    public let name: String
    private let file: File

    /// Reads from a descriptor that stays the caller's.
    public init(descriptor: Int32, name: String) {
        self.name = name
        file = File(descriptor: descriptor, path: name, owned: false)
    }

    /// Fills `target` with what comes next; the result is smaller only at the end.
    public func read(into target: UnsafeMutableRawBufferPointer) throws(LifeboatError) -> Int {
        try file.readNext(into: target)
    }
}
