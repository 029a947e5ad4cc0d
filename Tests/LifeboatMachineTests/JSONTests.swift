import LifeboatCore
import LifeboatMachine
import Testing

@Suite struct JSONTests {
    @Test func `values survive a round trip`() throws {
        let value: JSON = [
            "execute": "guest-exec", "list": [1, -2, .number(1.5)], "flag": true, "none": .null,
        ]
        #expect(try JSON(parsing: Array(value.serialized.utf8), subject: "test") == value)
    }

    @Test func `a number is no flag and a flag no number`() throws {
        let value = try JSON(parsing: Array(#"{"a":1,"b":true}"#.utf8), subject: "test")
        #expect(value["a"]?.integer == 1 && value["a"]?.flag == nil)
        #expect(value["b"]?.flag == true && value["b"]?.integer == nil)
    }

    @Test(arguments: ["", "{", "{\"a\":}", "nonsense"])
    func `what is no JSON is told so`(text: String) {
        #expect(throws: LifeboatError(.damaged, "", subject: "the agent")) {
            try JSON(parsing: Array(text.utf8), subject: "the agent")
        }
    }
}
