import LifeboatCore
import Testing

@testable import LifeboatStore

/// Against the examples that AWS publishes: of the signature test suite, and of the S3 manual's
/// "Authenticating Requests: Using the Authorization Header".
@Suite struct SignatureTests {
    private func signer(
        _ accessKey: String, _ secretKey: String, service: String
    ) -> RequestSigner {
        RequestSigner(
            credentials: S3Credentials(accessKey: accessKey, secretKey: SecretText(secretKey)),
            region: "us-east-1", service: service)
    }

    @Test func `get-vanilla of the test suite`() {
        let found = signer(
            "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", service: "service"
        ).authorization(
            .init(method: .get, path: "/", query: ""),
            headers: [
                (name: "Host", value: "example.amazonaws.com"),
                (name: "X-Amz-Date", value: "20150830T123600Z"),
            ], payload: SignatureHash.digest([UInt8]()), timestamp: "20150830T123600Z")
        #expect(
            found
                == "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
                + "SignedHeaders=host;x-amz-date, Signature="
                + "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31")
    }

    struct Example: Sendable, CustomTestStringConvertible {
        var method: HTTPMethod
        var path: String
        var query = ""
        var headers: [String: String] = [:]
        var payload = ""
        var signature: String

        var testDescription: String { "\(method.rawValue) \(path)?\(query)" }
    }

    private static let examples = [
        Example(
            method: .get, path: "/test.txt", headers: ["Range": "bytes=0-9"],
            signature: "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
        Example(
            method: .put, path: "/test%24file.text",
            headers: [
                "Date": "Fri, 24 May 2013 00:00:00 GMT",
                "x-amz-storage-class": "REDUCED_REDUNDANCY",
            ], payload: "Welcome to Amazon S3.",
            signature: "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"),
        Example(
            method: .get, path: "/", query: "lifecycle=",
            signature: "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        Example(
            method: .get, path: "/", query: "max-keys=2&prefix=J",
            signature: "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
    ]

    @Test(arguments: examples) func `examples of the S3 manual`(example: Example) {
        let headers = signer(
            "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", service: "s3"
        ).headers(
            .init(method: example.method, path: example.path, query: example.query),
            host: "examplebucket.s3.amazonaws.com",
            headers: example.headers.map { (name: $0.key, value: $0.value) },
            payload: SignatureHash.digest(Array(example.payload.utf8)),
            // 2013-05-24.
            milliseconds: 1_369_353_600_000)
        let authorization = headers.first { $0.name == "Authorization" }?.value ?? ""
        #expect(authorization.hasSuffix("Signature=" + example.signature))
        #expect(headers.contains { $0 == ("x-amz-date", "20130524T000000Z") })
    }

    @Test func `a session token is sent and signed`() {
        var signer = signer("A", "s", service: "s3")
        signer = RequestSigner(
            credentials: S3Credentials(
                accessKey: "A", secretKey: SecretText("s"), sessionToken: SecretText("token")),
            region: signer.region)
        let headers = signer.headers(
            .init(method: .get, path: "/", query: ""), host: "localhost:7480", headers: [],
            payload: SignatureHash.digest([UInt8]()), milliseconds: 0)
        #expect(headers.contains { $0 == ("x-amz-security-token", "token") })
        let authorization = headers.first { $0.name == "Authorization" }?.value ?? ""
        #expect(
            authorization.contains(
                "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token,"))
    }

    @Test func `hashes are those of RFC 4231 and FIPS 180`() {
        #expect(
            Hex.encode(SignatureHash.keyed(Array("Jefe".utf8), "what do ya want for nothing?"))
                == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
        let pieces: [[UInt8]] = [Array("a".utf8), [], Array("bc".utf8)]
        let digest = pieces[0].withUnsafeBytes { a in
            pieces[1].withUnsafeBytes { b in
                pieces[2].withUnsafeBytes { c in SignatureHash.digest([a, b, c]) }
            }
        }
        #expect(
            digest.hex == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    }
}
