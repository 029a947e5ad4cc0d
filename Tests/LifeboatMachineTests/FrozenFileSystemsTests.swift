import Glibc
import LifeboatCore
import LifeboatMachine
import LifeboatSystem
import LifeboatTesting
import Testing

/// An ext4 file system in a file, mounted; this takes root.
final class MountedFileSystem: Sendable {
    private let folder: TemporaryDirectory
    let place: String

    init() throws {
        folder = try TemporaryDirectory()
        place = folder.file("mount")
        let image = folder.file("image")
        try Files.makeDirectories(place)
        try Self.run("truncate", "-s", "32M", image)
        try Self.run("mkfs.ext4", "-q", image)
        try Self.run("mount", "-o", "loop", image, place)
    }

    deinit { _ = try? Self.run("umount", place) }

    static func run(_ arguments: String...) throws {
        let result = try ChildProcess.run(.init(arguments), timeoutSeconds: 120)
        try #require(result.isSuccess, "\(arguments): \(result.lastWords)")
    }

    /// Whether it is frozen: then it cannot be frozen again.
    var isFrozen: Bool {
        do throws(LifeboatError) {
            _ = try FrozenFileSystems(places: [place], deadlineSeconds: 60).thaw()
            return false
        } catch {
            return error.code == .refused
        }
    }
}

@Suite(.serialized) struct FrozenFileSystemsTests {
    @Test func `frozen is frozen, and thawed is thawed`() throws {
        let mounted = try MountedFileSystem()
        let frozen = try FrozenFileSystems(places: [mounted.place], deadlineSeconds: 60)
        #expect(mounted.isFrozen)
        let writer = try ChildProcess(.init(["touch", mounted.place + "/file"]))
        #expect(writer.wait(seconds: 0.5) == nil)
        #expect(frozen.thaw())
        #expect(writer.wait(seconds: 60)?.isSuccess == true)
        #expect(!mounted.isFrozen)
        #expect(frozen.thaw())
    }

    @Test func `what was thawed by somebody else is told`() throws {
        let mounted = try MountedFileSystem()
        let frozen = try FrozenFileSystems(places: [mounted.place], deadlineSeconds: 60)
        try MountedFileSystem.run("fsfreeze", "--unfreeze", mounted.place)
        #expect(!frozen.thaw())
    }

    @Test func `one that cannot be frozen leaves none frozen`() throws {
        let mounted = try MountedFileSystem()
        let folder = try TemporaryDirectory()
        #expect(throws: LifeboatError(.refused, "", subject: folder.path)) {
            _ = try FrozenFileSystems(places: [mounted.place, folder.path], deadlineSeconds: 60)
        }
        #expect(!mounted.isFrozen)
        #expect(throws: LifeboatError(.missing, "", subject: "/none")) {
            _ = try FrozenFileSystems(places: ["/none"], deadlineSeconds: 60)
        }
        // Twice the same: the second time it is frozen already.
        #expect(throws: LifeboatError(.refused, "", subject: mounted.place)) {
            _ = try FrozenFileSystems(
                places: [mounted.place, mounted.place], deadlineSeconds: 60)
        }
        #expect(!mounted.isFrozen)
    }

    @Test func `it thaws at the deadline`() throws {
        let mounted = try MountedFileSystem()
        let frozen = try FrozenFileSystems(places: [mounted.place], deadlineSeconds: 1)
        try Wait.until { !mounted.isFrozen }
        #expect(!frozen.thaw())
    }

    @Test func `it thaws at the deadline though the process was killed`() async throws {
        let mounted = try MountedFileSystem()
        setenv("LIFEBOAT_TEST_FREEZE", mounted.place, 1)
        defer { unsetenv("LIFEBOAT_TEST_FREEZE") }
        let begun = Clock.monotonicSeconds()
        await #expect(processExitsWith: .signal(SIGKILL)) {
            let place = try #require(Files.environment("LIFEBOAT_TEST_FREEZE"))
            let frozen = try FrozenFileSystems(places: [place], deadlineSeconds: 15)
            kill(getpid(), SIGKILL)
            withExtendedLifetime(frozen) {}
        }
        // Unless this test was woken late, among many others.
        if Clock.monotonicSeconds() < begun + 15 { #expect(mounted.isFrozen) }
        try Wait.until { !mounted.isFrozen }
    }
}

enum Wait {
    static func until(_ condition: () -> Bool) throws {
        let deadline = Clock.monotonicSeconds() + 60
        while !condition() {
            try #require(Clock.monotonicSeconds() < deadline, "it did not come")
            Threads.sleep(seconds: 0.05)
        }
    }
}
