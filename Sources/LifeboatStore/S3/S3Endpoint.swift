/// Makes the addresses of a bucket and of its objects.
struct S3Endpoint: Sendable {
    let location: S3Location
    let region: String
    private let style: S3Location.Style

    /// Where nothing says what the region is.
    private static let standardRegion = "us-east-1"
    private static let amazon = ".amazonaws.com"

    /// - `region`: what the settings say, which a location overrides.
    init(_ location: S3Location, region: String?) {
        self.location = location
        self.region =
            location.region ?? Self.region(of: location.host) ?? region ?? Self.standardRegion
        // Amazon wants it so; a certificate for *.HOST covers no bucket with a dot.
        let isHostStyle = location.host.hasSuffix(Self.amazon) && !location.bucket.contains(".")
        style = location.style ?? (isHostStyle ? .host : .path)
    }

    var isAmazon: Bool { location.host.hasSuffix(Self.amazon) }
    var needsLocationConstraint: Bool { isAmazon && region != Self.standardRegion }

    /// An address, and what of it is signed.
    struct Target {
        var url: String
        var host: String
        var path: String
        var query: String
    }

    /// The address of the bucket, or of the object that has this whole key.
    func target(key: String?, query: [(name: String, value: String)]) -> Target {
        var host = location.authority
        var path = "/"
        switch style {
        case .path: path += location.bucket
        case .host: host = location.bucket + "." + host
        }
        if let key {
            if !path.hasSuffix("/") { path += "/" }
            path += PercentText.encode(key, keepingSlashes: true)
        }
        let text = query.map { (PercentText.encode($0.name), PercentText.encode($0.value)) }
            .sorted { $0 < $1 }.map { "\($0)=\($1)" }.joined(separator: "&")
        return Target(
            url: (location.isSecure ? "https://" : "http://") + host + path
                + (text.isEmpty ? "" : "?" + text),
            host: host, path: path, query: text)
    }

    /// The whole key of what has this name or prefix in the store.
    func key(_ path: String) -> String {
        location.prefix.isEmpty ? path : location.prefix + "/" + path
    }

    /// Of `s3.eu-central-1.amazonaws.com` the region.
    private static func region(of host: String) -> String? {
        guard host.hasSuffix(amazon) else { return nil }
        let parts = host.dropLast(amazon.count).split(separator: ".")
        guard parts.count >= 2, parts[0] == "s3", let region = parts.last,
            region != "dualstack"
        else { return nil }
        return String(region)
    }
}
