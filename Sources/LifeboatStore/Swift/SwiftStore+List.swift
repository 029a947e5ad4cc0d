public import LifeboatCore

extension SwiftStore {
    /// Room for 10,000 objects, the usual page, with the longest names.
    private static let pageLimit = 64 << 20

    public func list(
        _ prefix: String, _ body: (ObjectName, UInt64) throws(LifeboatError) -> Void
    ) throws(LifeboatError) {
        var marker = ""
        while true {
            let page = try page(prefix, after: marker)
            // Servers have different sizes of a page: only an empty one is surely the last.
            guard let last = page.last else { return }
            for entry in page {
                // What is no object name was put here by somebody else.
                if let name = name(ofKey: entry.name) { try body(name, entry.bytes) }
            }
            guard marker.utf8.lexicographicallyPrecedes(last.name.utf8) else {
                throw LifeboatError(
                    .unavailable, "the listing of \(location) does not go on", subject: location)
            }
            marker = last.name
        }
    }

    private func page(
        _ prefix: String, after marker: String
    ) throws(LifeboatError) -> [SwiftListingEntry] {
        var resource = resource
        resource.query = [("format", "json")]
        let key = key(prefix)
        if !key.isEmpty { resource.query.append(("prefix", key)) }
        if !marker.isEmpty { resource.query.append(("marker", marker)) }
        if let pageCount { resource.query.append(("limit", "\(pageCount)")) }
        let response = try connection.send(
            .get, resource, subject: location, limit: Self.pageLimit
        ).response
        guard response.status != 404 else { throw noContainer(response) }
        guard (200..<300).contains(response.status) else { throw error(response, location) }
        guard let page = SwiftListingEntry.page(response.body) else {
            throw LifeboatError(
                .unavailable, "the listing of \(location) cannot be understood",
                subject: location, advice: "check the address of the object store")
        }
        return page
    }
}
