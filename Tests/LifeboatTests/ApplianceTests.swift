import Glibc
import LifeboatCore
import LifeboatSystem
import LifeboatTesting
import Testing

@testable import Lifeboat

/// With programs in the place of guestfish that start, or do not.
@Suite struct ApplianceTests {
    /// Keeps what it is told.
    private final class Ears: EventSink {
        let heard = Guarded<[String]>([])

        func tell(_ event: Event) {
            if case .warning(let text) = event { heard.withLock { $0.append(text) } }
        }
    }

    /// A program in the place of guestfish, and what it has noted.
    private final class Stage {
        let directory: TemporaryDirectory
        let ears = Ears()
        let cancellation = Cancellation()

        /// `starts` is a pattern of settings with which the virtual machine starts.
        init(starts: String) throws {
            // As the command does: a program may end without reading all that it is told.
            signal(SIGPIPE, SIG_IGN)
            directory = try TemporaryDirectory()
            try Files.makeDirectories(directory.path + "/tmp")
            let script = """
                notes=\(directory.path)/notes
                echo "settings $LIBGUESTFS_BACKEND_SETTINGS" >>$notes
                touch "$LIBGUESTFS_TMPDIR/overlay" "$TMPDIR/other"
                case ":$LIBGUESTFS_BACKEND_SETTINGS:" in
                *broken*) echo 'x: error: no kernel' >&2; echo 'Do: something' >&2; exit 1 ;;
                \(starts)) ;;
                *)  sleep 100000 &
                    echo "machine $!" >>$notes
                    wait
                    echo tidied >>$notes
                    exit 1 ;;
                esac
                while read -r command; do
                    case $command in
                    run) ;;
                    echo*) echo "${command#echo }" ;;
                    fail) echo 'it fails' >&2; exit 1 ;;
                    hang) sleep 100000 & echo "machine $!" >>$notes; wait; echo tidied >>$notes ;;
                    *) echo "did $command" ;;
                    esac
                done
                """
            try Files.writeAtomically(directory.path + "/guestfish", Array(script.utf8))
        }

        func appliance(settings: String? = nil) -> Appliance {
            var appliance = Appliance(
                ["/bin/sh", directory.path + "/guestfish"], ears, cancellation)
            appliance.environment["LIBGUESTFS_TMPDIR"] = directory.path + "/tmp"
            appliance.environment["LIBGUESTFS_BACKEND_SETTINGS"] = settings
            appliance.startSeconds = 1
            return appliance
        }

        private var notes: [Substring] {
            (Files.text(directory.path + "/notes") ?? "").split(separator: "\n")
        }

        /// The settings of each start.
        var starts: [String] {
            notes.filter { $0.hasPrefix("settings") }.map { String($0.dropFirst(9)) }
        }

        var machines: [String] {
            notes.filter { $0.hasPrefix("machine") }.map { String($0.dropFirst(8)) }
        }

        var tidied: Int { notes.count { $0 == "tidied" } }

        /// Whether each virtual machine ended before guestfish, and nothing is left of either.
        func expectNothingLeft(machines count: Int) throws {
            #expect(machines.count == count)
            #expect(tidied == count)
            for machine in machines { #expect(!Files.exists("/proc/" + machine)) }
            #expect(try Files.list(directory.path + "/tmp") == [])
        }
    }

    @Test func `one that starts does its work at once`() throws {
        let stage = try Stage(starts: "*")
        let result = try stage.appliance().run(["mount it", "show it"])
        #expect(String(decoding: result.output, as: UTF8.self) == "did mount it\ndid show it\n")
        #expect(stage.starts == [""])
        #expect(stage.ears.heard.withLock { $0 } == [])
        try stage.expectNothingLeft(machines: 0)
    }

    @Test func `one that is silent is started again without KVM, and the user told so`() throws {
        let stage = try Stage(starts: "*:force_tcg:*")
        let result = try stage.appliance(settings: "network_bridge=br0").run(["show it"])
        #expect(String(decoding: result.output, as: UTF8.self) == "did show it\n")
        #expect(stage.starts == ["network_bridge=br0", "network_bridge=br0:force_tcg"])
        #expect(stage.ears.heard.withLock { $0.count } == 1)
        try stage.expectNothingLeft(machines: 1)
    }

    @Test func `one that is always silent is given up`() throws {
        let stage = try Stage(starts: "never")
        var appliance = stage.appliance()
        appliance.emulatedStartSeconds = 1
        #expect(throws: LifeboatError(.unavailable, "", subject: "guestfish")) {
            try appliance.run(["show it"])
        }
        #expect(stage.starts == ["", "force_tcg"])
        try stage.expectNothingLeft(machines: 2)
    }

    @Test(arguments: ["force_tcg", "gdb:force_tcg", "force_kvm"])
    func `what the user forces is not tried in another way`(settings: String) throws {
        let stage = try Stage(starts: "never")
        var appliance = stage.appliance(settings: settings)
        appliance.emulatedStartSeconds = 1
        #expect(throws: LifeboatError(.unavailable, "", subject: "guestfish")) {
            try appliance.run(["show it"])
        }
        #expect(stage.starts == [settings])
        #expect(stage.ears.heard.withLock { $0 } == [])
        try stage.expectNothingLeft(machines: 1)
    }

    @Test func `one that ends instead of starting says why`() throws {
        let stage = try Stage(starts: "*")
        do {
            // More than a pipe holds.
            _ = try stage.appliance(settings: "broken")
                .run(Array(repeating: "show it", count: 20_000))
            Issue.record("it started")
        } catch {
            #expect(error.code == .unavailable)
            #expect(error.cause == "x: error: no kernel")
        }
        #expect(stage.starts == ["broken"])
        try stage.expectNothingLeft(machines: 0)
    }

    @Test func `a command that fails is the caller's to explain`() throws {
        let stage = try Stage(starts: "*")
        let result = try stage.appliance().run(["show it", "fail", "show it"])
        #expect(result.ending == .exited(1))
        #expect(result.lastWords == "it fails")
        #expect(String(decoding: result.output, as: UTF8.self) == "did show it\n")
    }

    @Test(arguments: ["before it started", "while it works"])
    func `an interruption ends it`(moment: String) throws {
        let stage = try Stage(starts: moment == "while it works" ? "*" : "never")
        var appliance = stage.appliance()
        appliance.startSeconds = 86_400
        let outcome = Guarded<LifeboatError.Code?>(nil)
        let thread = Threads.start(name: "appliance") { [appliance] in
            do throws(LifeboatError) {
                _ = try appliance.run(["hang"])
            } catch {
                outcome.withLock { $0 = error.code }
            }
        }
        while stage.machines.isEmpty { Threads.sleep(seconds: 0.02) }
        stage.cancellation.cancel()
        thread.join()
        #expect(outcome.withLock { $0 } == .cancelled)
        #expect(stage.starts.count == 1)
        try stage.expectNothingLeft(machines: 1)
    }
}
