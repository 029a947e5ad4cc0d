import Testing

@testable import LifeboatStore

@Suite struct HTTPDateTests {
    @Test(
        arguments: [
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("Sunday, 06-Nov-94 08:49:37 GMT", 784_111_777),
            ("Sun Nov  6 08:49:37 1994", 784_111_777), ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Thu, 29 Feb 2024 23:59:60 GMT", 1_709_251_200),
            ("Fri, 21-Nov-26 00:00:00 GMT", 1_795_219_200),
            ("", nil), ("tomorrow", nil), ("Sun, 06 Non 1994 08:49:37 GMT", nil),
            ("Sun, 06 Nov 1994 08:49 GMT", nil), ("Sun, 06 Nov 1994 24:00:00 GMT", nil),
            ("Sun, 00 Nov 1994 08:49:37 GMT", nil), ("Sun, 06 Nov 99999 08:49:37 GMT", nil),
            ("Sun, 99999999999999999999 Nov 1994 08:49:37 GMT", nil),
        ] as [(String, Int?)]) func `dates are read`(text: String, seconds: Int?)
    {
        #expect(HTTPDate.seconds(text) == seconds)
    }

    @Test(
        arguments: [
            ("120", nil, 120), ("0", nil, 0), ("-1", nil, nil), ("1.5", nil, nil),
            ("soon", nil, nil),
            ("4294967295", nil, 4_294_967_295),
            ("Sun, 06 Nov 1994 08:49:37 GMT", nil, 777),
            ("Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:07 GMT", 30),
            ("Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:50:07 GMT", 0),
        ] as [(String, String?, Double?)])
    func `a wait is read`(text: String, date: String?, seconds: Double?) {
        var headers = [(name: "retry-after", value: text)]
        if let date { headers.append((name: "date", value: date)) }
        let response = HTTPResponse(status: 503, headers: headers)
        #expect(HTTPDate.retryAfter(response, now: 784_111_000) == seconds)
    }

    @Test func `without the header there is no wait`() {
        #expect(HTTPDate.retryAfter(HTTPResponse(status: 503), now: 0) == nil)
    }
}
