import LifeboatCore
import Testing

@testable import LifeboatMachine

@Suite struct ServiceProbeTests {
    @Test(arguments: [
        ("HTTP/1.0 200 OK\r\nA: b\r\n\r\nbody\r\n\r\nmore", 200, "body\r\n\r\nmore"),
        ("HTTP/1.1 404 Not Found\n\nno", 404, "no"), ("HTTP/1.1 204\r\n\r\n", 204, ""),
    ]) func `answers are taken apart`(text: String, status: Int, body: String) throws {
        let answer = try ServiceProbe.parse(Array(text.utf8), "web")
        #expect(answer.status == status)
        #expect(answer.body == Array(body.utf8))
    }

    @Test(arguments: ["", "220 mail ready\r\n", "HTTP/1.0\r\n", "HTTP/1.0 abc\r\n"])
    func `what is no web server is unavailable`(text: String) {
        #expect(throws: LifeboatError(.unavailable, "", subject: "web")) {
            _ = try ServiceProbe.parse(Array(text.utf8), "web")
        }
    }
}
