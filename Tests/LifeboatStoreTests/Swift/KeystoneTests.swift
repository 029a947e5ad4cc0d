import LifeboatCore
import Testing

@testable import LifeboatStore

private func endpoint(_ interface: String, _ region: String, _ url: String) -> String {
    #"{"id":"1","interface":"\#(interface)","region":"\#(region)","region_id":"\#(region)","#
        + #""url":"\#(url)"}"#
}

private func reply(_ endpoints: [String], type: String = "object-store") -> KeystoneReply? {
    let body =
        #"{"token":{"methods":["password"],"expires_at":"2026-01-02T04:04:05.000000Z","#
        + #""issued_at":"2026-01-02T03:04:05.500000Z","catalog":["#
        + #"{"type":"identity","name":"keystone","endpoints":[]},"#
        + #"{"type":"\#(type)","name":"swift","endpoints":[\#(endpoints.joined(separator: ","))]}"#
        + "]}}"
    return KeystoneReply(Array(body.utf8))
}

private let two = [
    endpoint("public", "A", "https://a/v1/x/"), endpoint("internal", "A", "http://a/v1/x"),
    endpoint("public", "B", "https://b/v1/x"),
]
private let one = [
    endpoint("public", "A", "https://a/v1/x"), endpoint("adminURL", "A", "http://admin/v1"),
]

@Suite struct KeystoneTests {
    private static let name = KeystoneIdentity.Name.name("u", domain: .name("D"))

    @Test(arguments: [
        (
            KeystoneIdentity.password(SecretText("p\"/é"), user: name, project: .id("7")),
            #"{"auth":{"identity":{"methods":["password"],"password":{"user":"#
                + #"{"domain":{"name":"D"},"name":"u","password":"p\"/é"}}},"#
                + #""scope":{"project":{"id":"7"}}}}"#
        ),
        (
            .password(SecretText("p"), user: .id("5"), project: .name("j", domain: .id("d"))),
            #"{"auth":{"identity":{"methods":["password"],"password":{"user":"#
                + #"{"id":"5","password":"p"}}},"#
                + #""scope":{"project":{"domain":{"id":"d"},"name":"j"}}}}"#
        ),
        (
            .applicationCredential(.id("i"), secret: SecretText("s")),
            #"{"auth":{"identity":{"application_credential":{"id":"i","secret":"s"},"#
                + #""methods":["application_credential"]}}}"#
        ),
        (
            .applicationCredential(.name("n", user: name), secret: SecretText("s")),
            #"{"auth":{"identity":{"application_credential":{"name":"n","secret":"s","#
                + #""user":{"domain":{"name":"D"},"name":"u"}},"#
                + #""methods":["application_credential"]}}}"#
        ),
    ]) func `requests`(identity: KeystoneIdentity, expected: String) {
        #expect(String(decoding: KeystoneRequest.body(identity), as: UTF8.self) == expected)
    }

    @Test(
        arguments: [
            (one, "public", nil, "https://a/v1/x"), (one, "admin", nil, "http://admin/v1"),
            (one, "public", "A", "https://a/v1/x"), (two, "public", "A", "https://a/v1/x"),
            (two, "public", "B", "https://b/v1/x"), (two, "internal", nil, "http://a/v1/x"),
        ] as [([String], String, String?, String)])
    func `the catalog's address`(
        endpoints: [String], interface: String, region: String?, expected: String
    ) throws {
        let found = try #require(reply(endpoints))
        #expect(try found.storageURL(interface: interface, region: region) == expected)
    }

    @Test(
        arguments: [
            // Which of the regions is not for us to guess.
            (two, "public", nil, "object-store", LifeboatError.Code.usage, "A, B"),
            (two, "public", "C", "object-store", .missing, "A, B"),
            (two, "admin", nil, "object-store", .missing, "internal, public"),
            (one, "public", nil, "volumev3", .missing, "OS_STORAGE_URL"),
            ([], "public", nil, "object-store", .missing, "OS_INTERFACE"),
        ] as [([String], String, String?, String, LifeboatError.Code, String)])
    func `no address, or too many`(
        endpoints: [String], interface: String, region: String?, type: String,
        code: LifeboatError.Code, advice: String
    ) throws {
        let found = try #require(reply(endpoints, type: type))
        let error = #expect(throws: LifeboatError.self) {
            try found.storageURL(interface: interface, region: region)
        }
        #expect(error?.code == code)
        #expect(error?.advice?.contains(advice) == true, "\(error?.description ?? "")")
    }

    @Test func `a token's life is counted by Keystone's clock`() {
        #expect(reply(one)?.lifetime == 3599.5)
    }

    @Test(arguments: ["", "{}", "[]", #"{"token":7}"#, "\u{0}"]) func `other answers`(text: String)
    {
        #expect(KeystoneReply(Array(text.utf8)) == nil)
    }

    @Test(
        arguments: [
            ("1970-01-01T00:00:00Z", 0), ("2026-01-02T03:04:05.25Z", 1_767_323_045.25),
            ("2026-01-02T03:04:05", nil), ("2026-13-02T03:04:05Z", nil), ("2026-01-02", nil),
            ("99999999999999999999-01-02T03:04:05Z", nil), ("2026-01-02T25:04:05Z", nil),
            ("Z", nil),
            ("2026-01-02T03:04:nanZ", nil), ("2026--01T03:04:05Z", nil),
        ] as [(String, Double?)]) func `moments`(text: String, expected: Double?)
    {
        #expect(InternetTime.seconds(text) == expected)
    }

    @Test(arguments: [
        ("http://k:5000", "http://k:5000/v3"), ("http://k/identity", "http://k/identity/v3"),
        ("http://k/v3", "http://k/v3"), ("http://k/v2.0", "http://k/v3"),
    ]) func `addresses of Keystone`(given: String, expected: String) {
        #expect(KeystoneIdentity.address(given) == expected)
    }
}
