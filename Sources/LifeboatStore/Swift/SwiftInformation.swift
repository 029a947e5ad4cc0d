internal import FoundationEssentials

/// What a server says of itself under `/info`.
struct SwiftInformation: Decodable, Equatable, Sendable {
    struct Limits: Decodable, Equatable, Sendable {
        let max_file_size: UInt64?
    }

    struct BulkDelete: Decodable, Equatable, Sendable {
        let max_deletes_per_request: Int?
    }

    let swift: Limits?
    let bulk_delete: BulkDelete?

    /// `nil` if these bytes are nothing of the kind.
    init?(_ bytes: [UInt8]) {
        guard let found = try? JSONDecoder().decode(SwiftInformation.self, from: Data(bytes)) else {
            return nil
        }
        self = found
    }

    /// Where it is: beside the version in the account's address.
    static func address(storageURL: String) -> String? {
        guard let scheme = storageURL.firstRange(of: "://") else { return nil }
        let rest = storageURL[scheme.upperBound...]
        guard let slash = rest.firstIndex(of: "/") else { return nil }
        let path = rest[slash...]
        guard let version = path.firstRange(of: "/v1/") ?? path.firstRange(of: "/v1.0/") else {
            return nil
        }
        return storageURL[..<version.lowerBound] + "/info"
    }
}
