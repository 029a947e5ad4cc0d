internal import LifeboatCore
internal import LifeboatSystem

/// Finds out what a container does, with objects of its own that it deletes afterwards.
struct SwiftProbe {
    private let store: SwiftStore
    private let folder: String

    private static let content: [UInt8] = Array("probe".utf8)
    /// The MD5 of nothing.
    private static let otherDigest = "d41d8cd98f00b204e9800998ecf8427e"

    init(store: SwiftStore) {
        self.store = store
        folder = ProbeFolder.fresh()
    }

    func run() throws(LifeboatError) -> StoreCapabilities {
        var capabilities = StoreCapabilities(conditionalPut: false)
        capabilities.versioning = try hasVersioning()
        capabilities.payloadCheck = try payloadCheck()
        let name = ObjectName(folder + "a")
        try store.put(name, bytes: Self.content)
        defer { try? store.delete(name) }
        capabilities.rangeReads = try hasRangeReads(name)
        capabilities.deletes = try canDelete(name)
        return capabilities
    }

    private func hasVersioning() throws(LifeboatError) -> Bool {
        let response = try store.connection.send(
            .head, store.resource, subject: store.location
        ).response
        guard (200..<300).contains(response.status) else {
            throw store.error(response, store.location)
        }
        return response.header("X-Versions-Enabled")?.lowercased() == "true"
            || response.header("X-Versions-Location") != nil
            || response.header("X-History-Location") != nil
    }

    private func payloadCheck() throws(LifeboatError) -> StoreCapabilities.PayloadCheck {
        let name = ObjectName(folder + "sum")
        let response = try Self.content.withBytes { bytes throws(LifeboatError) in
            try store.connection.send(
                .put, store.resource(name), subject: name.path,
                headers: [("ETag", Self.otherDigest)], body: [bytes]
            ).response
        }
        if response.status == 422 { return .md5 }
        guard (200..<300).contains(response.status) else {
            throw store.error(response, name.path)
        }
        try? store.delete(name)
        return .none
    }

    private func hasRangeReads(_ name: ObjectName) throws(LifeboatError) -> Bool {
        let response = try store.connection.send(
            .get, store.resource(name), subject: name.path, headers: [("Range", "bytes=1-2")]
        ).response
        return response.status == 206 && response.body == Array(Self.content[1...2])
    }

    private func canDelete(_ name: ObjectName) throws(LifeboatError) -> Bool {
        do throws(LifeboatError) { try store.delete(name) } catch {
            guard error.code == .denied else { throw error }
            return false
        }
        return try store.size(name) == nil
    }
}
