public import LifeboatCore
public import LifeboatStore
internal import Synchronization

/// A store in memory, for tests.
public final class MemoryStore: ObjectStore {
    public let location: String
    public let capabilities: StoreCapabilities
    private let objects = Mutex<[String: [UInt8]]>([:])

    public init(location: String = "memory", capabilities: StoreCapabilities = .init()) {
        self.location = location
        self.capabilities = capabilities
    }

    public func put(
        _ name: ObjectName, _ pieces: [UnsafeRawBufferPointer]
    ) throws(LifeboatError) {
        let bytes = pieces.flatMap { [UInt8]($0) }
        let isNew = objects.withLock { objects in
            guard objects[name.path] == nil else { return false }
            objects[name.path] = bytes
            return true
        }
        guard isNew else {
            throw LifeboatError(.exists, "\(name) exists already", subject: name.path)
        }
    }

    public func get(_ name: ObjectName, limit: Int) throws(LifeboatError) -> [UInt8] {
        let bytes = try content(name)
        guard bytes.count <= limit else {
            throw LifeboatError(
                .damaged, "\(name) is larger than the \(limit) bytes it may have",
                subject: name.path)
        }
        return bytes
    }

    public func read(
        _ name: ObjectName, at offset: UInt64, into target: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) -> Int {
        let bytes = try content(name)
        let part = bytes.dropFirst(Int(clamping: offset)).prefix(target.count)
        target.copyBytes(from: part)
        return part.count
    }

    public func size(_ name: ObjectName) throws(LifeboatError) -> UInt64? {
        objects.withLock { $0[name.path].map { UInt64($0.count) } }
    }

    public func list(
        _ prefix: String, _ body: (ObjectName, UInt64) throws(LifeboatError) -> Void
    ) throws(LifeboatError) {
        let found = objects.withLock { objects in
            objects.filter { $0.key.hasPrefix(prefix) }.map { ($0.key, UInt64($0.value.count)) }
        }
        for (path, size) in found.sorted(by: { $0.0 < $1.0 }) {
            try body(ObjectName(path), size)
        }
    }

    public func delete(_ name: ObjectName) throws(LifeboatError) {
        objects.withLock { _ = $0.removeValue(forKey: name.path) }
    }

    /// The names of all objects.
    public var names: Set<String> { objects.withLock { Set($0.keys) } }

    /// Changes what an object holds, as a damaged disk or a hostile store would; nothing happens
    /// if it is not there.
    public func tamper(_ name: ObjectName, _ change: (inout [UInt8]) -> Void) {
        objects.withLock { objects in
            guard var bytes = objects[name.path] else { return }
            change(&bytes)
            objects[name.path] = bytes
        }
    }

    private func content(_ name: ObjectName) throws(LifeboatError) -> [UInt8] {
        guard let bytes = objects.withLock({ $0[name.path] }) else {
            throw LifeboatError(.missing, "\(name) is not there", subject: name.path)
        }
        return bytes
    }
}
