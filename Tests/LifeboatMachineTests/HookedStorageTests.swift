import LifeboatCore
import LifeboatSystem
import LifeboatTesting
import LifeboatVolume
import Testing

@testable import LifeboatMachine

@Suite(.serialized) struct HookedStorageTests {
    private let folder: TemporaryDirectory

    init() throws { folder = try TemporaryDirectory() }

    private var log: [String] {
        (Files.text(folder.file("log")) ?? "").split(separator: "\n").map(String.init)
    }

    /// A storage of two volumes whose snapshots are copies; `scripts` replaces hooks.
    private func storage(
        _ scripts: [String: String] = [:], freeze: [String] = [], more: String = ""
    ) throws -> HookedStorage {
        let copy =
            "for v in $LIFEBOAT_VOLUMES; do cp \(folder.path)/$v \(folder.path)/$v.copy; done"
        let usual = [
            "pre-snapshot": "true", "snapshot": copy, "thaw": "true",
            "path": "for v in $LIFEBOAT_VOLUMES; do echo $v=\(folder.path)/$v.copy; done",
            "release": "rm -f \(folder.path)/*.copy",
        ]
        var text =
            "machine: files\nvolumes: [home, mail]\nfreeze: [\(freeze.joined(separator: ", "))]\n"
        for (name, script) in usual.merging(scripts, uniquingKeysWith: { $1 }).sorted(by: <) {
            let file = folder.file("\(name).sh")
            let line = "echo \(name) $LIFEBOAT_MACHINE $LIFEBOAT_SNAPSHOT >> \(folder.path)/log"
            try Files.writeAtomically(file, Array("\(line)\n\(script)\n".utf8))
            text += "\(name): {run: [/bin/sh, \(file)], timeout: 30}\n"
        }
        for volume in ["home", "mail"] {
            try Files.writeAtomically(folder.file(volume), Array("\(volume)!".utf8))
        }
        try Files.writeAtomically(folder.file("hooks.yaml"), Array((text + more).utf8))
        return try HookedStorage(source: "dir-hooks:" + folder.file("hooks.yaml"))
    }

    private func request(_ quiesce: QuiescePolicy = .prefer) -> SnapshotRequest {
        var policy = ProtectionPolicy()
        policy.quiesce = quiesce
        return SnapshotRequest(
            line: "01234567", snapshot: "0123456789abcdef", bases: [:], policy: policy,
            runDirectory: folder.path, scratchDirectory: folder.path)
    }

    private func bytes(_ volume: SnapshotVolume) throws -> String {
        let buffer = Buffer(capacity: Int(volume.reader.size))
        buffer.count = buffer.capacity
        try volume.reader.read(
            at: 0, into: UnsafeMutableRawBufferPointer(rebasing: buffer.storage[..<buffer.count]))
        return String(decoding: buffer.bytes, as: UTF8.self)
    }

    @Test func `the programs make, name and release the snapshots`() throws {
        let storage = try storage()
        try storage.prepare(request())
        try storage.startSnapshot(timeoutSeconds: 30)
        try Files.writeAtomically(folder.file("home"), Array("newer".utf8))
        let volumes = try storage.openVolumes()
        #expect(volumes.map(\.name) == ["home", "mail"])
        #expect(try volumes.map(bytes) == ["home!", "mail!"])
        #expect(volumes.allSatisfy { $0.changes == nil && $0.notes.isEmpty })
        #expect(storage.reachedLevel == .crash)
        #expect(try storage.definition().description.disks.map(\.size) == [5, 5])
        #expect(storage.finish(isDurable: true) == [])
        #expect(!Files.exists(folder.file("home.copy")))
        #expect(throws: LifeboatError.self) { try bytes(volumes[0]) }
        #expect(
            log
                == ["pre-snapshot", "snapshot", "thaw", "path", "release"].map {
                    "\($0) files 0123456789abcdef"
                })
    }

    @Test(arguments: ["pre-snapshot", "snapshot", "thaw", "path", "release"])
    func `whatever fails, thaw and release run, once`(failing: String) throws {
        let storage = try storage([failing: "echo broken >&2; exit 3"])
        var failures: [LifeboatError] = []
        do throws(LifeboatError) {
            try storage.prepare(request())
            try storage.startSnapshot(timeoutSeconds: 30)
            _ = try storage.openVolumes()
        } catch {
            failures.append(error)
        }
        let warnings = storage.finish(isDurable: failures.isEmpty)
        let isSoft = failing == "thaw" || failing == "release"
        #expect(failures.count == (isSoft ? 0 : 1))
        #expect(failures.allSatisfy { $0.description.contains("broken") })
        #expect(warnings.count == (failing == "release" ? 1 : 0))
        #expect(log.filter { $0.hasPrefix("thaw") }.count == 1)
        #expect(log.filter { $0.hasPrefix("release") }.count == 1)
        _ = storage.finish(isDurable: false)
        #expect(log.filter { $0.hasPrefix("release") }.count == 1)
    }

    @Test func `a program that does not end is ended`() throws {
        let storage = try storage(["snapshot": "exec sleep 3600"])
        try storage.prepare(request())
        let error = #expect(throws: LifeboatError.self) {
            try storage.startSnapshot(timeoutSeconds: 0.5)
        }
        #expect(error?.code == .unavailable)
        #expect(storage.finish(isDurable: false) == [])
    }

    @Test func `secrets of this process are not in the programs' environment`() throws {
        let storage = try storage(["snapshot": "env > \(folder.path)/env"])
        try storage.prepare(request())
        try storage.startSnapshot(timeoutSeconds: 30)
        _ = storage.finish(isDurable: false)
        let names = (Files.text(folder.file("env")) ?? "").split(separator: "\n")
            .map { $0.prefix { $0 != "=" } }
        let allowed: Set<Substring> = [
            "PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LIFEBOAT_MACHINE",
            "LIFEBOAT_SNAPSHOT", "LIFEBOAT_VOLUMES", "PWD", "OLDPWD", "SHLVL", "_",
        ]
        #expect(names.contains("LIFEBOAT_VOLUMES"))
        #expect(Set(names).subtracting(allowed).isEmpty)
    }

    @Test func `a frozen file system gives level filesystem, and runs on`() throws {
        let mounted = try MountedFileSystem()
        let storage = try storage(
            ["snapshot": "! fsfreeze --freeze \(mounted.place)"], freeze: [mounted.place])
        try storage.prepare(request(.require))
        try storage.startSnapshot(timeoutSeconds: 30)
        #expect(storage.reachedLevel == .filesystem)
        #expect(!mounted.isFrozen)
        _ = storage.finish(isDurable: true)
    }

    @Test func `one that thaws by itself is crash-consistent, or a failure`() throws {
        let mounted = try MountedFileSystem()
        let thawing = [
            "snapshot": "fsfreeze --unfreeze \(mounted.place)",
            "path": """
            echo home=\(folder.path)/home; echo mail=\(folder.path)/mail
            """,
        ]
        let storage = try storage(thawing, freeze: [mounted.place])
        try storage.prepare(request(.prefer))
        try storage.startSnapshot(timeoutSeconds: 30)
        #expect(storage.reachedLevel == .crash)
        #expect(try storage.openVolumes()[0].notes.first?.contains("thawed by themselves") == true)
        _ = storage.finish(isDurable: true)
        try storage.prepare(request(.require))
        #expect(throws: LifeboatError.self) { try storage.startSnapshot(timeoutSeconds: 30) }
        #expect(storage.reachedLevel == nil)
        _ = storage.finish(isDurable: false)
    }

    @Test func `after a failing snapshot nothing stays frozen`() throws {
        let mounted = try MountedFileSystem()
        let storage = try storage(["snapshot": "exit 1"], freeze: [mounted.place])
        try storage.prepare(request(.require))
        #expect(throws: LifeboatError.self) { try storage.startSnapshot(timeoutSeconds: 30) }
        #expect(!mounted.isFrozen)
        _ = storage.finish(isDurable: false)
    }

    @Test func `what cannot be frozen is noted, or a failure`() throws {
        let storage = try storage(freeze: [folder.path])
        try storage.prepare(request(.prefer))
        try storage.startSnapshot(timeoutSeconds: 30)
        #expect(storage.reachedLevel == .crash)
        #expect(try storage.openVolumes()[0].notes.first?.contains("no mount point") == true)
        _ = storage.finish(isDurable: true)
        try storage.prepare(request(.require))
        #expect(throws: LifeboatError(.refused, "", subject: folder.path)) {
            try storage.startSnapshot(timeoutSeconds: 30)
        }
        _ = storage.finish(isDurable: false)
        try storage.prepare(request(.crash))
        try storage.startSnapshot(timeoutSeconds: 30)
        #expect(try storage.openVolumes()[0].notes == [])
        _ = storage.finish(isDurable: true)
    }

    @Test(arguments: [
        "", "home=/a", "home=/a\nmail=", "home=/a\nmail=/b\nmail=/c", "home=/a\nmail=/b\nx=/c",
        "home=/a\nmail",
    ])
    func `paths are one for each volume`(output: String) {
        let error = #expect(throws: LifeboatError.self) {
            try HookedStorage.paths(output, volumes: ["home", "mail"], machine: "files")
        }
        #expect(error?.code == .refused)
        #expect(error?.subject == "files")
    }

    @Test(arguments: [
        "", "- a", "machine: [a]", "a: {", "machine: a/b\nvolumes: [v]",
        "machine: a\nvolumes: [v, v]", "machine: a\nvolumes: []", "machine: a\nvolumes: [a b]",
        "machine: a\nvolumes: [v]\nfreeze: [srv]", "machine: a\nvolumes: [v]\nunknown: 1",
        "machine: a\nvolumes: [v]\nsnapshot: {run: []}",
        "machine: a\nvolumes: [v]\nsnapshot: {run: [/bin/true], timeout: soon}",
        "machine: a\nvolumes: [v]\nfreeze-seconds: -1",
    ])
    func `a file with a mistake is refused`(start: String) {
        let hooks = ["snapshot", "path", "release"].filter { !start.contains($0) }
            .map { "\($0): {run: [/bin/true]}" }.joined(separator: "\n")
        let error = #expect(throws: LifeboatError.self) {
            try HookedConfiguration(parsing: start + "\n" + hooks, subject: "file.yaml")
        }
        #expect(error?.code == .refused)
        #expect(error?.subject == "file.yaml")
    }

    @Test func `a file tells all there is`() throws {
        let configuration = try HookedConfiguration(
            parsing: """
                machine: files
                volumes: [home]
                freeze: [/srv]
                freeze-seconds: 7
                snapshot: {run: [/bin/a, -x, 0123], timeout: 1.5}
                path: {run: [/bin/b]}
                release: {run: [/bin/c]}
                """, subject: "file")
        #expect(configuration.freeze == ["/srv"] && configuration.freezeSeconds == 7)
        #expect(configuration.snapshot.arguments == ["/bin/a", "-x", "0123"])
        #expect(configuration.snapshot.timeoutSeconds == 1.5)
        #expect(configuration.path.timeoutSeconds == 60)
        #expect(configuration.thaw == nil && configuration.beforeSnapshot == nil)
    }
}
