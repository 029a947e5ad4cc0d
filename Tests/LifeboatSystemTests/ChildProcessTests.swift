import Glibc
import LifeboatCore
import Testing

@testable import LifeboatSystem

@Suite struct ChildProcessTests {
    private func run(_ script: String, input: String = "") throws -> ChildProcess.Result {
        var launch = ChildProcess.Launch(["/bin/sh", "-c", script])
        launch.input = Array(input.utf8)
        return try ChildProcess.run(launch, timeoutSeconds: 60)
    }

    @Test func `outputs and the exit code arrive`() throws {
        let result = try run("cat; echo warning >&2; exit 3", input: "hello")
        #expect(result.ending == .exited(3))
        #expect(String(decoding: result.output, as: UTF8.self) == "hello")
        #expect(result.lastWords == "warning")
    }

    @Test func `a signal that ends it is told`() throws {
        #expect(try run("kill -9 $$").ending == .killed(signal: 9))
    }

    @Test func `what fills a pipe does not hold it up`() throws {
        var launch = ChildProcess.Launch(["/bin/sh", "-c", "head -c 3000000 /dev/zero; exit 0"])
        launch.outputLimit = 1000
        let result = try ChildProcess.run(launch, timeoutSeconds: 60)
        #expect(result.isSuccess && result.output.count == 1000)
    }

    @Test func `standard error may be the one of this process`() throws {
        var launch = ChildProcess.Launch(["/bin/sh", "-c", "readlink /proc/$$/fd/2"])
        #expect(try ChildProcess.run(launch, timeoutSeconds: 60).output != Self.ownError)
        launch.sharesErrorOutput = true
        let result = try ChildProcess.run(launch, timeoutSeconds: 60)
        #expect(result.isSuccess && result.output == Self.ownError)
    }

    /// Where standard error of this process leads, as `readlink` prints it.
    private static let ownError: [UInt8] = {
        var characters = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/fd/2", &characters, characters.count)
        return characters.prefix(max(0, count)).map { UInt8(bitPattern: $0) } + [0x0A]
    }()

    @Test func `more input than a pipe holds arrives`() throws {
        var launch = ChildProcess.Launch(["/bin/sh", "-c", "wc -c"])
        launch.input = [UInt8](repeating: 65, count: 1_000_000)
        let result = try ChildProcess.run(launch, timeoutSeconds: 60)
        #expect(String(decoding: result.output, as: UTF8.self).contains("1000000"))
    }

    @Test func `a program that is not there is missing`() {
        #expect(throws: LifeboatError(.missing, "", subject: "no-such-program")) {
            try ChildProcess(.init(["no-such-program"]))
        }
    }

    @Test func `a deadline ends it`() throws {
        #expect(throws: LifeboatError(.unavailable, "", subject: "/bin/sleep")) {
            try ChildProcess.run(.init(["/bin/sleep", "600"]), timeoutSeconds: 0.3)
        }
    }

    @Test func `it hears the signals that this process ignores`() throws {
        let child = try ChildProcess(.init(["/bin/sleep", "600"]))
        #expect(child.isRunning)
        #expect(child.stop()?.ending == .killed(signal: 15))
        #expect(!child.isRunning)
    }

    @Test func `it does not get this process's files`() throws {
        let result = try run("ls /proc/self/fd | wc -l")
        // 0, 1, 2 and the one by which `ls` reads.
        #expect(String(decoding: result.output, as: UTF8.self).contains("4"))
    }

    @Test func `it has the environment that is given`() throws {
        var launch = ChildProcess.Launch(["/usr/bin/env"])
        launch.environment = ["ONLY": "this"]
        let result = try ChildProcess.run(launch, timeoutSeconds: 60)
        #expect(String(decoding: result.output, as: UTF8.self) == "ONLY=this\n")
    }

    @Test func `what it started is known and killed, and it goes on`() throws {
        let script = "(sleep 100000 & echo ready; wait); echo ended"
        let child = try ChildProcess(.init(["/bin/sh", "-c", script]))
        #expect(child.waitForLine("ready", seconds: 60))
        let descendants = child.descendants
        #expect(descendants.map(\.name).contains("sleep"))
        #expect(child.killDescendants() == descendants.count)
        let result = try #require(child.wait(seconds: 60))
        #expect(result.isSuccess)
        #expect(String(decoding: result.output, as: UTF8.self) == "ready\nended\n")
        for descendant in descendants {
            // Whoever inherits it may not have asked yet how it ended.
            let stat = Files.text("/proc/\(descendant.identifier)/stat", limit: 4096)
            #expect(stat == nil || stat?.contains(") Z ") == true)
        }
        #expect(child.descendants.isEmpty)
    }
}
