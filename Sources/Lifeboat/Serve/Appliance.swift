import LifeboatCore
import LifeboatSystem

/// The small virtual machine of libguestfs, which guestfish starts and tells what to do.
///
/// Under a KVM that can be opened but does not get guests on, it never says a word. So it must say
/// one within a deadline; else it is ended, and started once more without KVM.
///
/// - Invariant: what it leaves in temporary folders goes with it, however it ends.
struct Appliance {
    /// How long it may take to start with KVM.
    static let startSeconds = 120.0
    /// How long it may take to start without, where QEMU translates each instruction.
    static let emulatedStartSeconds = 900.0
    private static let timeoutSeconds = 24.0 * 3600
    /// What it writes before anything else, in a line of its own.
    private static let marker = "lifeboat-appliance-runs"
    private static let settingsVariable = "LIBGUESTFS_BACKEND_SETTINGS"

    /// guestfish with the options that name the disks.
    let arguments: [String]
    let events: any EventSink
    let cancellation: Cancellation
    /// What it gets; what concerns its temporary folders is added.
    var environment = Files.environment
    /// After how many seconds of silence it is started again without KVM.
    var startSeconds = Self.canUseKVM ? Self.startSeconds : Self.emulatedStartSeconds
    var emulatedStartSeconds = Self.emulatedStartSeconds

    init(_ arguments: [String], _ events: any EventSink, _ cancellation: Cancellation) {
        self.arguments = arguments
        self.events = events
        self.cancellation = cancellation
    }

    /// Does commands of guestfish, and gives what they wrote; whether they succeeded is for the
    /// caller to see.
    ///
    /// - Throws: `.unavailable` when it does not start, `.cancelled`.
    func run(_ commands: [String]) throws(LifeboatError) -> ChildProcess.Result {
        let settings = environment[Self.settingsVariable]
        let isEmulated = Self.has(settings, "force_tcg")
        let seconds = isEmulated ? emulatedStartSeconds : startSeconds
        if let result = try start(commands, settings, seconds) { return result }
        guard !isEmulated, !Self.has(settings, "force_kvm") else { throw Self.silent(seconds) }
        events.tell(
            .warning(
                "the virtual machine of libguestfs does not start within \(Int(seconds)) s; it is "
                    + "started again without KVM (LIBGUESTFS_BACKEND_SETTINGS=force_tcg)"))
        if let result = try start(commands, Self.emulated(settings), emulatedStartSeconds) {
            return result
        }
        throw Self.silent(emulatedStartSeconds)
    }

    private static func silent(_ seconds: Double) -> LifeboatError {
        LifeboatError(
            .unavailable,
            "the virtual machine of libguestfs does not start within \(Int(seconds)) s",
            subject: "guestfish",
            advice:
                "libguestfs-test-tool shows where it stops; until it starts, restore the volume "
                + "or use mount")
    }

    // MARK: one start

    /// `nil` where it does not start in time.
    private func start(
        _ commands: [String], _ settings: String?, _ seconds: Double
    ) throws(LifeboatError) -> ChildProcess.Result? {
        var launch = ChildProcess.Launch(arguments)
        let lines = ["run", "echo \(Self.marker)"] + commands
        launch.input = Array((lines.joined(separator: "\n") + "\n").utf8)
        launch.outputLimit = 64 << 20
        let folder = Self.temporaryFolder(environment)
        try Files.makeDirectories(folder)
        defer { try? Files.removeTree(folder) }
        launch.environment = Self.surroundings(environment, folder, settings)
        let child = try ChildProcess(launch)
        guard try awaitStart(child, seconds) else {
            Self.end(child)
            return nil
        }
        var result = try awaitEnd(child)
        // A terminal interrupts guestfish too.
        if !result.isSuccess { try cancellation.check() }
        let mark = Array((Self.marker + "\n").utf8)
        if result.output.starts(with: mark) {
            result.output.removeFirst(mark.count)
        } else if !result.isSuccess {
            throw LifeboatError(
                .unavailable, "the virtual machine of libguestfs does not start",
                subject: "guestfish", cause: Self.errors(result),
                advice: "libguestfs-test-tool shows why")
        }
        return result
    }

    /// Whether it started, or ended by itself, in time.
    private func awaitStart(
        _ child: ChildProcess, _ seconds: Double
    ) throws(LifeboatError) -> Bool {
        var deadline = Clock.monotonicSeconds() + seconds
        while true {
            if child.waitForLine(Self.marker, seconds: 0.2) || !child.isRunning { return true }
            try check(child)
            let now = Clock.monotonicSeconds()
            if now > deadline {
                // Once for each version of a kernel, supermin makes the disk that it starts from;
                // that takes as long as the host takes, and half of it would be left behind.
                guard child.descendants.contains(where: { $0.name == "supermin" }) else {
                    return false
                }
                deadline = now + seconds
            }
        }
    }

    private func awaitEnd(_ child: ChildProcess) throws(LifeboatError) -> ChildProcess.Result {
        let deadline = Clock.monotonicSeconds() + Self.timeoutSeconds
        while true {
            if let result = child.wait(seconds: 0.2) { return result }
            try check(child)
            guard Clock.monotonicSeconds() < deadline else {
                Self.end(child)
                throw LifeboatError(
                    .unavailable, "guestfish did not end within \(Int(Self.timeoutSeconds)) s",
                    subject: "guestfish")
            }
        }
    }

    private func check(_ child: ChildProcess) throws(LifeboatError) {
        guard cancellation.isCancelled else { return }
        Self.end(child)
        try cancellation.check()
    }

    /// Ends the virtual machine before guestfish, which then removes its sockets and ends as well.
    private static func end(_ child: ChildProcess) {
        let deadline = Clock.monotonicSeconds() + 10
        var hasKilled = false
        while Clock.monotonicSeconds() < deadline {
            // Only once: what it starts then is what tidies up.
            if !hasKilled { hasKilled = child.killDescendants() > 0 }
            if child.wait(seconds: 0.2) != nil { return }
        }
        child.killDescendants()
        child.kill()
    }

    // MARK: what it is told

    /// Whether the virtual machine can be given the processor's help; that it gets on with it is
    /// not known then.
    private static var canUseKVM: Bool {
        (try? File(path: "/dev/kvm", access: .readWrite)) != nil
    }

    private static func has(_ settings: String?, _ name: String) -> Bool {
        (settings ?? "").split(separator: ":").contains { $0 == name }
    }

    /// The settings of the user's, and that there is no KVM.
    static func emulated(_ settings: String?) -> String {
        ((settings ?? "").split(separator: ":").map(String.init) + ["force_tcg"])
            .joined(separator: ":")
    }

    private static func temporaryFolder(_ environment: [String: String]) -> String {
        let parent = value("LIBGUESTFS_TMPDIR", environment) ?? value("TMPDIR", environment)
        return Files.absolute(parent ?? "/tmp") + "/lifeboat-" + Identifier.random().hex.prefix(16)
    }

    private static func value(_ name: String, _ environment: [String: String]) -> String? {
        environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }

    /// Its environment: everything of one run in one folder, but for what is kept for the next.
    private static func surroundings(
        _ environment: [String: String], _ folder: String, _ settings: String?
    ) -> [String: String] {
        var result = environment
        // No service of the host is needed, and none is asked.
        result["LIBGUESTFS_BACKEND"] = value("LIBGUESTFS_BACKEND", environment) ?? "direct"
        result[settingsVariable] = settings
        result["LIBGUESTFS_CACHEDIR"] =
            value("LIBGUESTFS_CACHEDIR", environment) ?? value("TMPDIR", environment) ?? "/var/tmp"
        result["LIBGUESTFS_TMPDIR"] = folder
        result["TMPDIR"] = folder
        return result
    }

    /// What it says is wrong, without what it says to everybody.
    private static func errors(_ result: ChildProcess.Result) -> String {
        let lines = String(decoding: result.errorOutput, as: UTF8.self).split(separator: "\n")
            .filter { $0.contains("error:") }
        return lines.isEmpty ? result.lastWords : lines.suffix(3).joined(separator: "; ")
    }
}
