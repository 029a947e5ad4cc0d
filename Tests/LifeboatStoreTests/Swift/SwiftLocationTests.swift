import LifeboatCore
import Testing

@testable import LifeboatStore

@Suite struct SwiftLocationTests {
    @Test(
        arguments: [
            ("swift:backups", "backups", "", nil, nil),
            ("swift:backups/", "backups", "", nil, nil),
            ("swift://backups/host/a", "backups", "host/a", nil, nil),
            ("swift:Back ups/host/a/", "Back ups", "host/a", nil, nil),
            ("swift:b?cloud=north", "b", "", "north", nil),
            ("swift:b/p?cloud=north&region=R%26D", "b", "p", "north", "R&D"),
            ("swift:100%/p", "100%", "p", nil, nil),
            ("swift:größe", "größe", "", nil, nil),
        ] as [(String, String, String, String?, String?)])
    func `locations are read`(
        text: String, container: String, prefix: String, cloud: String?, region: String?
    ) throws {
        let location = try SwiftLocation(text)
        #expect(location.container == container)
        #expect(location.prefix == prefix)
        #expect(location.cloud == cloud)
        #expect(location.region == region)
        #expect(try SwiftLocation(location.description) == location)
    }

    @Test(arguments: [
        "", "swift:", "swift:?cloud=a", "swift:/p", "swift:..", "swift:b//p", "swift:b/../c",
        "swift:b/p//", "swift:b?clout=a", "swift:b?cloud", "swift:b?cloud=%zz",
        "swift:a\nb", "s3:b", "swift:b?cloud=a?region=b=%",
        "swift:" + String(repeating: "a", count: 257),
        "swift:b/" + String(repeating: "a", count: 801),
    ]) func `other texts are refused`(text: String) {
        #expect(code { () throws(LifeboatError) in _ = try SwiftLocation(text) } == .usage)
    }

    @Test(arguments: [
        ("a b/c", true, "a%20b/c"), ("a b/c", false, "a%20b%2Fc"), ("~._-", false, "~._-"),
        ("é+&?", true, "%C3%A9%2B%26%3F"), ("%", true, "%25"),
    ]) func `percent escapes go there and back`(text: String, slashes: Bool, escaped: String) {
        #expect(PercentText.encode(text, keepingSlashes: slashes) == escaped)
        #expect(PercentText.decode(escaped) == text)
    }

    @Test(arguments: ["%", "%2", "%zz", "%ff", "a%"]) func `broken escapes are refused`(
        text: String
    ) {
        #expect(PercentText.decode(text) == nil)
    }
}
