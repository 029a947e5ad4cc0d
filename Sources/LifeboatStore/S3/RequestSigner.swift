internal import LifeboatCore

/// Signs requests by version 4 of AWS's signatures, with the hash of the payload.
struct RequestSigner: Sendable {
    /// What a signature is about, besides the headers.
    struct Subject {
        var method: HTTPMethod
        /// Percent-encoded, as it is sent.
        var path: String
        /// Percent-encoded and in order, each with its `=`, as it is sent.
        var query: String
    }

    let credentials: S3Credentials
    let region: String
    var service = "s3"

    /// The headers to send with a request to S3: those given, the time, the payload's hash, the
    /// session token, and the signature of all of them.
    ///
    /// `host` is what the client sends as `Host`.
    func headers(
        _ subject: Subject, host: String, headers: [(name: String, value: String)],
        payload: Digest, milliseconds: UInt64
    ) -> [(name: String, value: String)] {
        var all = headers
        all.append((name: "x-amz-content-sha256", value: payload.hex))
        all.append((name: "x-amz-date", value: Self.timestamp(milliseconds)))
        if let token = credentials.sessionToken {
            all.append((name: "x-amz-security-token", value: token.text))
        }
        let authorization = authorization(
            subject, headers: all + [(name: "host", value: host)], payload: payload,
            timestamp: Self.timestamp(milliseconds))
        return all + [(name: "Authorization", value: authorization)]
    }

    /// The value of `Authorization`; all `headers` are signed.
    func authorization(
        _ subject: Subject, headers: [(name: String, value: String)], payload: Digest,
        timestamp: String
    ) -> String {
        let signed = headers.map { (name: $0.name.lowercased(), value: Self.folded($0.value)) }
            .sorted { $0.name < $1.name }
        let names = signed.map(\.name).joined(separator: ";")
        let lines = signed.map { "\($0.name):\($0.value)\n" }.joined()
        let canonical = [
            subject.method.rawValue, subject.path, subject.query, lines, names, payload.hex,
        ].joined(separator: "\n")
        let day = String(timestamp.prefix(8))
        let scope = "\(day)/\(region)/\(service)/aws4_request"
        let text = [
            "AWS4-HMAC-SHA256", timestamp, scope, SignatureHash.digest(Array(canonical.utf8)).hex,
        ].joined(separator: "\n")
        var key = Array("AWS4".utf8) + Array(credentials.secretKey.text.utf8)
        for part in [day, region, service, "aws4_request"] {
            key = SignatureHash.keyed(key, part)
        }
        let signature = Hex.encode(SignatureHash.keyed(key, text))
        return "AWS4-HMAC-SHA256 Credential=\(credentials.accessKey)/\(scope), "
            + "SignedHeaders=\(names), Signature=\(signature)"
    }

    /// Such as `20260102T030405Z`.
    static func timestamp(_ milliseconds: UInt64) -> String {
        DateText.second(milliseconds).replacing("-", with: "").replacing(":", with: "")
            .replacing(" ", with: "T")
    }

    /// Without spaces around, and one for many within.
    private static func folded(_ value: String) -> String {
        value.split(separator: " ").joined(separator: " ")
    }
}
