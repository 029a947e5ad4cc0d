import Foundation
import LifeboatCodec
import LifeboatCore
import Testing

@testable import LifeboatCommand

@Suite struct SecretTests {
    private func text(_ secret: SecretBytes) -> String {
        secret.withBytes { String(decoding: $0, as: UTF8.self) }
    }

    @Test(arguments: [
        ("secret", "secret"), ("secret\n", "secret"), ("secret\r\nmore\n", "secret"),
        (" two words \n", " two words "), ("a\rb\n", "a\rb"), ("cr\r", "cr\r"),
    ])
    func `a password is the first line`(content: String, password: String) throws {
        let line = try PasswordFile.firstLine(Array(content.utf8), of: "it")
        #expect(String(decoding: line, as: UTF8.self) == password)
    }

    @Test(arguments: ["", "\n", "\r\nsecret\n", String(repeating: "x", count: 4097)])
    func `refuses an empty or an endless line`(content: String) {
        let error = #expect(throws: LifeboatError.self) {
            try PasswordFile.firstLine(Array(content.utf8), of: "it")
        }
        #expect(error?.code == .wrongKey)
    }

    @Test func `a command prints the password`() throws {
        let secret = try PasswordCommand("printf 'hidden\\nrest'").run(cancellation: Cancellation())
        #expect(text(secret) == "hidden")
    }

    @Test(arguments: ["exit 3", "echo x; exit 1", "true", "kill -9 $$", "no-such-command"])
    func `refuses a command that fails or prints nothing`(command: String) {
        let error = #expect(throws: LifeboatError.self) {
            try PasswordCommand(command).run(cancellation: Cancellation())
        }
        #expect(error?.code == .wrongKey)
    }

    @Test func `a command has a deadline and no input`() {
        var slow = PasswordCommand("exec sleep 20")
        slow.deadlineSeconds = 0.2
        let begun = Date()
        #expect(throws: LifeboatError.self) { try slow.run(cancellation: Cancellation()) }
        #expect(Date().timeIntervalSince(begun) < 10)
        #expect(throws: LifeboatError.self) {
            try PasswordCommand("cat").run(cancellation: Cancellation())
        }
    }

    @Test func `a cancelled command is left`() {
        let cancellation = Cancellation()
        cancellation.cancel()
        let error = #expect(throws: LifeboatError.self) {
            try PasswordCommand("exec sleep 20").run(cancellation: cancellation)
        }
        #expect(error?.code == .cancelled)
    }

    @Test func `a new file is private and never over another`() throws {
        let folder = NSTemporaryDirectory() + "lifeboat-\(UUID().uuidString)"
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = folder + "/page.html"
        try LocalFile.writeNew(path, "one")
        let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions]
        #expect(mode as? Int == 0o600)
        let error = #expect(throws: LifeboatError.self) { try LocalFile.writeNew(path, "two") }
        #expect(error?.code == .exists)
        #expect(try LocalFile.read(path, limit: 10).bytes == Array("one".utf8))
        let missing = #expect(throws: LifeboatError.self) {
            try LocalFile.read(folder + "/none", limit: 10)
        }
        #expect(missing?.code == .missing)
    }
}
