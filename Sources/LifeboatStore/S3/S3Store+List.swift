public import LifeboatCore

extension S3Store {
    /// Listings are large: names of 1,000 bytes, escaped, and what else is told of each.
    private static let pageBytes = 16 << 20

    public func list(
        _ prefix: String, _ body: (ObjectName, UInt64) throws(LifeboatError) -> Void
    ) throws(LifeboatError) {
        let folder = prefix.lastIndex(of: "/").map { prefix[..<$0] } ?? ""
        // Such a prefix can start no name, and a store may make something else of it.
        if prefix.hasPrefix("/") { return }
        if !folder.isEmpty, ObjectName(validating: String(folder)) == nil { return }
        if capabilities.orderedListing {
            var last: ObjectName?
            try visit(prefix) { name, size throws(LifeboatError) in
                if let last, name <= last { throw repeats(prefix) }
                last = name
                try body(name, size)
            }
        } else {
            var found: [(name: ObjectName, size: UInt64)] = []
            try visit(prefix) { name, size throws(LifeboatError) in found.append((name, size)) }
            found.sort { $0.name < $1.name }
            var last: ObjectName?
            for (name, size) in found where name != last {
                try body(name, size)
                last = name
            }
        }
    }

    /// Tells what a listing has, in the store's order.
    private func visit(
        _ prefix: String, _ body: (ObjectName, UInt64) throws(LifeboatError) -> Void
    ) throws(LifeboatError) {
        if try locksObjects() {
            return try visitVersions(prefix) { group throws(LifeboatError) in
                guard let first = group.first, let name = objectName(ofKey: group.key),
                    Self.isTold(name, prefix)
                else { return }
                note(group, name.path)
                try body(name, first.size)
            }
        }
        var tokens: Set<String> = []
        var continuation: String?
        repeat {
            let page = try page(prefix, continuation)
            for entry in page.entries {
                guard entry.key.hasPrefix(endpoint.key(prefix)),
                    let name = objectName(ofKey: entry.key), Self.isTold(name, prefix)
                else { continue }
                try body(name, entry.size)
            }
            continuation = page.continuation
            if let continuation, !tokens.insert(continuation).inserted { throw repeats(prefix) }
        } while continuation != nil
    }

    /// What an object of the bucket is called here; `nil` for what somebody else put there.
    func objectName(ofKey key: String) -> ObjectName? {
        let folder = endpoint.key("")
        guard key.hasPrefix(folder) else { return nil }
        return ObjectName(
            validating: String(
                decoding: key.utf8.dropFirst(folder.utf8.count), as: UTF8.self))
    }

    /// Objects of probes are no objects of the repository.
    private static func isTold(_ name: ObjectName, _ prefix: String) -> Bool {
        !name.path.hasPrefix(ProbeFolder.prefix) || prefix.hasPrefix(ProbeFolder.prefix)
    }

    private func page(
        _ prefix: String, _ continuation: String?
    ) throws(LifeboatError) -> ListingPage {
        var request = Request(.get)
        request.query = [
            (name: "list-type", value: "2"), (name: "encoding-type", value: "url"),
            (name: "max-keys", value: String(pageCount)),
            (name: "prefix", value: endpoint.key(prefix)),
        ]
        if let continuation {
            request.query.append((name: "continuation-token", value: continuation))
        }
        let (response, _) = try send(request, limit: Self.pageBytes)
        guard response.status == 200 else { throw error(response, nil) }
        guard let page = ListingPage(response.body) else {
            throw LifeboatError(
                .unsupported, "the store's listing cannot be understood", subject: location,
                advice: "check that the address is that of an S3 service")
        }
        return page
    }

    private func repeats(_ prefix: String) -> LifeboatError {
        LifeboatError(
            .unavailable, "the store's listing of \(prefix) repeats itself or is out of order",
            subject: location, advice: "ask anew what the store can do: lifeboat repo info --probe")
    }
}
