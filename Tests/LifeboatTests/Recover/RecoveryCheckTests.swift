import LifeboatCore
import Testing

@testable import Lifeboat

@Suite struct RecoveryCheckTests {
    private static func http(
        _ path: String, _ text: String? = nil, host: String? = nil, port: UInt16 = 80
    ) -> RecoveryCheck {
        .http(.init(host: host, port: port, path: path, text: text))
    }

    @Test(arguments: [
        ("agent", RecoveryCheck.agent), ("tcp:22", .tcp(port: 22)), ("http:/", http("/")),
        ("http:/a=b c", http("/a", "b c")), ("http:8080/x", http("/x", port: 8080)),
        ("http://10.0.0.5/a=b", http("/a", "b", host: "10.0.0.5")),
        ("http://web:81/", http("/", host: "web", port: 81)),
        ("command:/bin/test -e /data", .command(["/bin/test", "-e", "/data"])),
    ]) func `checks are read, and named as they are given`(text: String, check: RecoveryCheck)
        throws
    {
        let read = try RecoveryCheck(text)
        #expect(read == check)
        #expect(read.name == text)
    }

    @Test(arguments: [
        "", "agent:1", "tcp", "tcp:", "tcp:0", "tcp:70000", "http", "http:", "http:x/", "http:///",
        "http://h:0/", "http:/a b", "command:", "command:true", "ping", "https://h/",
    ]) func `what is no check is refused`(text: String) {
        #expect(throws: LifeboatError(.usage, "", subject: text)) { try RecoveryCheck(text) }
    }

    @Test(
        arguments: [
            (["127.0.0.1/8", "fe80::1/64", "10.0.0.7/24"], "10.0.0.7"), (["169.254.3.4/16"], nil),
            ([], nil), (["fd00::7/64"], "fd00::7"),
        ] as [([String], String?)]) func `an address that others can reach`(
            addresses: [String], found: String?
        )
    {
        #expect(RecoveryChecks.usable(addresses) == found)
    }
}
