internal import FoundationEssentials

/// One object of a container's listing.
struct SwiftListingEntry: Decodable, Equatable, Sendable {
    let name: String
    let bytes: UInt64

    private struct Line: Decodable {
        let name: String?
        let bytes: UInt64?
    }

    /// The objects that a page tells; `nil` if these bytes are no page.
    static func page(_ bytes: [UInt8]) -> [SwiftListingEntry]? {
        // Without objects some servers say nothing at all.
        if bytes.isEmpty { return [] }
        guard let lines = try? JSONDecoder().decode([Line].self, from: Data(bytes)) else {
            return nil
        }
        return lines.compactMap { line in
            guard let name = line.name, let bytes = line.bytes else { return nil }
            return SwiftListingEntry(name: name, bytes: bytes)
        }
    }
}

/// What came of a bulk deletion; its HTTP status is 200 whatever happened.
struct SwiftBulkAnswer: Decodable, Equatable, Sendable {
    let deleted: Int
    let notFound: Int
    let status: String
    /// Each a percent-encoded path and a status.
    let errors: [[String]]

    private enum CodingKeys: String, CodingKey {
        case deleted = "Number Deleted"
        case notFound = "Number Not Found"
        case status = "Response Status"
        case errors = "Errors"
    }

    /// `nil` if these bytes are nothing of the kind.
    init?(_ bytes: [UInt8]) {
        // Spaces come first, to keep the connection alive.
        guard let found = try? JSONDecoder().decode(SwiftBulkAnswer.self, from: Data(bytes)) else {
            return nil
        }
        self = found
    }

    /// Whether each of so many objects is gone.
    func isComplete(_ count: Int) -> Bool {
        status.hasPrefix("200") && errors.isEmpty && deleted + notFound == count
    }
}
