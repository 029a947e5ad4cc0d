public import LifeboatCore
public import LifeboatStore
internal import LifeboatSystem

/// A store in memory, for tests.
public final class MemoryStore: ObjectStore {
    public let location: String
    public let capabilities: StoreCapabilities
    /// By the first part of their names, so that a listing looks at its own kind only.
    private let objects = Guarded<[Substring: [String: [UInt8]]]>([:])

    private static func kind(_ path: String) -> Substring { path.prefix { $0 != "/" } }

    public init(location: String = "memory", capabilities: StoreCapabilities = .init()) {
        self.location = location
        self.capabilities = capabilities
    }

    public func put(
        _ name: ObjectName, _ pieces: [UnsafeRawBufferPointer]
    ) throws(LifeboatError) {
        let bytes = pieces.flatMap { [UInt8]($0) }
        let kind = Self.kind(name.path)
        let isNew = objects.withLock { objects in
            guard objects[kind]?[name.path] == nil else { return false }
            objects[kind, default: [:]][name.path] = bytes
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
        objects.withLock { objects in
            objects[Self.kind(name.path)]?[name.path].map { UInt64($0.count) }
        }
    }

    public func list(
        _ prefix: String, _ body: (ObjectName, UInt64) throws(LifeboatError) -> Void
    ) throws(LifeboatError) {
        let found = objects.withLock { objects in
            let kinds = prefix.contains("/") ? [Self.kind(prefix)] : Array(objects.keys)
            return kinds.flatMap { objects[$0] ?? [:] }.filter { $0.key.hasPrefix(prefix) }
                .map { ($0.key, UInt64($0.value.count)) }
        }
        for (path, size) in found.sorted(by: { $0.0 < $1.0 }) {
            try body(ObjectName(path), size)
        }
    }

    public func delete(_ name: ObjectName) throws(LifeboatError) {
        objects.withLock { _ = $0[Self.kind(name.path)]?.removeValue(forKey: name.path) }
    }

    /// The names of all objects.
    public var names: Set<String> { objects.withLock { Set($0.values.flatMap(\.keys)) } }

    /// Changes what an object holds, as a damaged disk or a hostile store would; nothing happens
    /// if it is not there.
    public func tamper(_ name: ObjectName, _ change: (inout [UInt8]) -> Void) {
        objects.withLock { objects in
            let kind = Self.kind(name.path)
            guard var bytes = objects[kind]?[name.path] else { return }
            change(&bytes)
            objects[kind]?[name.path] = bytes
        }
    }

    private func content(_ name: ObjectName) throws(LifeboatError) -> [UInt8] {
        guard let bytes = objects.withLock({ $0[Self.kind(name.path)]?[name.path] }) else {
            throw LifeboatError(.missing, "\(name) is not there", subject: name.path)
        }
        return bytes
    }
}
