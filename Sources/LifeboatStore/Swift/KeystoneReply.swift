internal import FoundationEssentials
internal import LifeboatCore

/// What Keystone answers with beside the token: how long it is good, and where the services are.
struct KeystoneReply: Decodable {
    struct Token: Decodable {
        let issued_at: String?
        let expires_at: String?
        let catalog: [Service]?
    }

    struct Service: Decodable {
        let type: String
        let endpoints: [Endpoint]?
    }

    struct Endpoint: Decodable {
        let interface: String?
        let region: String?
        let region_id: String?
        let url: String

        var regionName: String { region_id ?? region ?? "" }
    }

    let token: Token

    /// `nil` if these bytes are no such answer.
    init?(_ bytes: [UInt8]) {
        guard let reply = try? JSONDecoder().decode(KeystoneReply.self, from: Data(bytes)) else {
            return nil
        }
        self = reply
    }

    /// The seconds from its issue to its end; both are by Keystone's clock, so that ours may be
    /// wrong.
    var lifetime: Double? {
        guard let start = token.issued_at.flatMap(InternetTime.seconds),
            let end = token.expires_at.flatMap(InternetTime.seconds)
        else { return nil }
        return end - start
    }

    /// The address of the account, of this kind and in this region.
    ///
    /// Without a region there must be only one: to guess would be to put backups somewhere.
    func storageURL(interface: String, region: String?) throws(LifeboatError) -> String {
        let services = (token.catalog ?? []).filter { $0.type == "object-store" }
        guard !services.isEmpty else {
            throw LifeboatError(
                .missing, "the cloud's catalog has no object store", subject: "object-store",
                advice: "check the project, or give the address with OS_STORAGE_URL")
        }
        let all = services.flatMap { $0.endpoints ?? [] }
        let ofKind = all.filter { $0.interface == interface || $0.interface == interface + "URL" }
        let here = ofKind.filter { endpoint in region.map { $0 == endpoint.regionName } ?? true }
        let addresses = Set(here.map(\.url))
        if addresses.count == 1, let address = addresses.first { return Self.trimmed(address) }
        let regions = Set(ofKind.map(\.regionName)).sorted().joined(separator: ", ")
        if addresses.isEmpty {
            let place = region.map { " in region \($0)" } ?? ""
            let kinds = Set(all.compactMap(\.interface)).sorted().joined(separator: ", ")
            throw LifeboatError(
                .missing, "the cloud's catalog has no \(interface) object store\(place)",
                subject: "object-store",
                advice: ofKind.isEmpty
                    ? "set OS_INTERFACE to one of: \(kinds)"
                    : "set OS_REGION_NAME to one of: \(regions)")
        }
        if region != nil, let address = here.first?.url { return Self.trimmed(address) }
        throw LifeboatError(
            .usage, "the cloud has object stores in several regions", subject: "object-store",
            advice: "set OS_REGION_NAME, region_name in clouds.yaml or ?region= to one of: "
                + regions)
    }

    private static func trimmed(_ url: String) -> String {
        url.hasSuffix("/") ? String(url.dropLast()) : url
    }
}
