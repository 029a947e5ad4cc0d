import LifeboatCore
import Testing

@Suite struct JSONTests {
    @Test func `a number is no flag and a flag no number`() throws {
        let value = try JSON(parsing: Array(#"{"a":1,"b":true}"#.utf8), subject: "test")
        #expect(value["a"]?.integer == 1 && value["a"]?.flag == nil)
        #expect(value["b"]?.flag == true && value["b"]?.integer == nil)
    }

    private static let values: [(String, JSON)] = [
        ("0", JSON.integer(0)), (" -12 ", -12), ("1.5e1", 15), ("-0.0", 0), ("0.5", .number(0.5)),
        ("9223372036854775807", .integer(.max)), ("9223372036854775808", .number(0x1p63)),
        (#""a\u0041\n\/\ud83d\ude00é""#, "aA\n/😀é"), ("[]", []), ("{ }", [:]),
        (#"[ null , true,{"a" : [ false ] } ]"#, [.null, true, ["a": [false]]]),
    ]

    @Test(arguments: values)
    func `values are read`(text: String, expected: JSON) throws {
        #expect(try JSON(parsing: Array(text.utf8), subject: "test") == expected)
    }

    /// A guest may send megabytes of it.
    @Test func `what nests deeply is refused, and at once`() throws {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let deep = String(repeating: open, count: 100_000)
            #expect(throws: LifeboatError.self) {
                try JSON(parsing: Array(deep.utf8), subject: "test")
            }
            let text =
                String(repeating: open, count: 200) + "1" + String(repeating: close, count: 200)
            let value = try JSON(parsing: Array(text.utf8), subject: "test")
            #expect(value["a"] != nil || value.list != nil)
        }
    }

    @Test(arguments: [
        "", "{", "{\"a\":}", "nonsense", "[1,]", "{\"a\":1,}", "01", "1.", "-", "+1", "1e", "1e999",
        "\"", "\"\n\"", #""\x""#, #""\ud800""#, #""\ud800\u0041""#, #""\udc00""#, #""\u12""#,
        "1 2", "{1:2}", "[1 2]", "tru", "nullx",
    ])
    func `what is no JSON is told so`(text: String) {
        #expect(throws: LifeboatError(.damaged, "", subject: "the agent")) {
            try JSON(parsing: Array(text.utf8), subject: "the agent")
        }
    }
}
