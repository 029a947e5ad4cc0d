import LifeboatCore
import LifeboatStore

/// A store whose packs are read nearby where they are there: what is far away is asked for the
/// rest.
final class NearbyStore: ObjectStore {
    private let near: [any ObjectStore]
    private let far: any ObjectStore

    init(_ near: [any ObjectStore], before far: any ObjectStore) {
        self.near = near
        self.far = far
    }

    var location: String { far.location }
    var capabilities: StoreCapabilities { far.capabilities }
    var parallelRequests: Int { far.parallelRequests }

    private func place(_ name: ObjectName) throws(LifeboatError) -> any ObjectStore {
        guard name.path.hasPrefix(ObjectNames.packsPrefix) else { return far }
        for store in near where try store.size(name) != nil { return store }
        return far
    }

    func get(_ name: ObjectName, limit: Int) throws(LifeboatError) -> [UInt8] {
        try place(name).get(name, limit: limit)
    }

    func read(
        _ name: ObjectName, at offset: UInt64, into target: UnsafeMutableRawBufferPointer
    ) throws(LifeboatError) -> Int {
        try place(name).read(name, at: offset, into: target)
    }

    func size(_ name: ObjectName) throws(LifeboatError) -> UInt64? {
        try place(name).size(name)
    }

    func list(
        _ prefix: String, _ body: (ObjectName, UInt64) throws(LifeboatError) -> Void
    ) throws(LifeboatError) { try far.list(prefix, body) }

    func forget(_ name: ObjectName) { far.forget(name) }

    func put(_ name: ObjectName, _ pieces: [UnsafeRawBufferPointer]) throws(LifeboatError) {
        try far.put(name, pieces)
    }

    func delete(_ name: ObjectName) throws(LifeboatError) { try far.delete(name) }

    func replace(_ name: ObjectName, bytes: [UInt8]) throws(LifeboatError) {
        try far.replace(name, bytes: bytes)
    }
}
