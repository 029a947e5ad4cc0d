import LifeboatCore
import LifeboatMachine
import Testing

@Suite struct JSONSerializationTests {
    @Test func `values survive a round trip`() throws {
        let value: JSON = [
            "execute": "guest-exec", "list": [1, -2, .number(1.5)], "flag": true, "none": .null,
        ]
        #expect(try JSON(parsing: Array(value.serialized.utf8), subject: "test") == value)
    }
}
