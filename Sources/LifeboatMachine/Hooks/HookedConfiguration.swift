public import LifeboatCore
internal import LifeboatSystem
internal import Yams

/// What a `dir-hooks:` file says: a storage whose snapshots the user's own programs make.
public struct HookedConfiguration: Sendable, Equatable {
    /// A program of the user, and how long it may take.
    public struct Hook: Sendable, Equatable {
        /// Its path and its arguments; no shell takes part.
        public var arguments: [String]
        public var timeoutSeconds = 60.0
    }

    /// The machine's name in points.
    public var machine: String
    public var volumes: [String]
    /// Mount points of this host to freeze while the snapshot is made.
    public var freeze: [String] = []
    /// They are thawed after so many seconds, whatever happens.
    public var freezeSeconds = 20.0
    /// Run before anything is frozen, such as to flush an application.
    public var beforeSnapshot: Hook?
    /// Makes the snapshots of all volumes.
    public var snapshot: Hook
    /// Run after the snapshot, or instead of it where something failed before.
    public var thaw: Hook?
    /// Prints for each volume `NAME=PATH`.
    public var path: Hook
    /// Removes the snapshots; run always, so it must not mind if there are none.
    public var release: Hook

    private static let names: Set<String> = [
        "machine", "volumes", "freeze", "freeze-seconds", "pre-snapshot", "snapshot", "thaw",
        "path", "release",
    ]
    private static let hookNames: Set<String> = ["run", "timeout"]

    /// Reads a file.
    ///
    /// - Throws: `.refused` saying what is wrong with it, `.missing`.
    public init(file: String) throws(LifeboatError) {
        let bytes = try Files.readWhole(file, limit: 1 << 20)
        try self.init(parsing: String(decoding: bytes, as: UTF8.self), subject: file)
    }

    /// Reads YAML; `subject` is the file's name.
    public init(parsing text: String, subject: String) throws(LifeboatError) {
        do throws(Fault) {
            try self.init(Self.table(of: text))
        } catch {
            throw LifeboatError(
                .refused, "\(subject) cannot be used: \(error.reason)", subject: subject)
        }
    }

    /// Never with a word of what stands there, which may be secret.
    private struct Fault: Error {
        let reason: String
        init(_ reason: String) { self.reason = reason }
    }

    private init(_ table: [String: Node]) throws(Fault) {
        try Self.check(table, Self.names, "the file")
        machine = try Self.text(table, "machine")
        volumes = try Self.list(table, "volumes")
        freeze = try Self.list(table, "freeze")
        if let seconds = try Self.seconds(table, "freeze-seconds") { freezeSeconds = seconds }
        beforeSnapshot = try Self.hook(table, "pre-snapshot")
        thaw = try Self.hook(table, "thaw")
        snapshot = try Self.required(table, "snapshot")
        path = try Self.required(table, "path")
        release = try Self.required(table, "release")
        guard !machine.isEmpty, !machine.contains("/") else {
            throw Fault("the machine needs a name without a slash")
        }
        guard !volumes.isEmpty, Set(volumes).count == volumes.count,
            volumes.allSatisfy(Self.isName)
        else {
            throw Fault(
                "volumes is a list of different names of letters, digits and the marks . _ -")
        }
        guard freeze.allSatisfy({ $0.hasPrefix("/") }) else {
            throw Fault("freeze is a list of mount points, which begin with a slash")
        }
    }

    /// They are put into an environment variable side by side.
    private static func isName(_ name: String) -> Bool {
        !name.isEmpty && name != "." && name != ".." && name.utf8.count <= 255
            && name.unicodeScalars.allSatisfy {
                $0.isASCII && ($0.properties.isAlphabetic || ("0"..."9").contains($0))
                    || "._-".unicodeScalars.contains($0)
            }
    }

    // MARK: YAML

    private static func table(of text: String) throws(Fault) -> [String: Node] {
        let node: Node?
        do { node = try Yams.compose(yaml: text) } catch { throw Fault("it is no YAML") }
        guard let node, case .mapping = node else { throw Fault("it has no names and values") }
        return try members(node)
    }

    private static func members(_ node: Node) throws(Fault) -> [String: Node] {
        guard case .mapping(let mapping) = node else { throw Fault("a table is missing") }
        var table: [String: Node] = [:]
        for (key, value) in mapping {
            guard let name = key.scalar?.string else { throw Fault("a name is no text") }
            table[name] = value
        }
        return table
    }

    private static func check(
        _ table: [String: Node], _ names: Set<String>, _ place: String
    ) throws(Fault) {
        guard let unknown = table.keys.sorted().first(where: { !names.contains($0) }) else {
            return
        }
        let known = names.sorted().joined(separator: ", ")
        throw Fault("\(place) has no place for \(unknown); there is \(known)")
    }

    private static func text(_ table: [String: Node], _ name: String) throws(Fault) -> String {
        guard let text = table[name]?.scalar?.string else { throw Fault("\(name) is missing") }
        return text
    }

    private static func list(_ table: [String: Node], _ name: String) throws(Fault) -> [String] {
        guard let node = table[name] else { return [] }
        guard case .sequence(let sequence) = node else { throw Fault("\(name) is no list") }
        var texts: [String] = []
        for part in sequence {
            guard let text = part.scalar?.string else { throw Fault("\(name) is no list of texts") }
            texts.append(text)
        }
        return texts
    }

    private static func seconds(
        _ table: [String: Node], _ name: String
    ) throws(Fault) -> Double? {
        guard let node = table[name] else { return nil }
        guard let seconds = node.scalar.flatMap({ Double($0.string) }), seconds > 0,
            seconds <= 86400
        else { throw Fault("\(name) is no number of seconds up to a day") }
        return seconds
    }

    private static func hook(_ table: [String: Node], _ name: String) throws(Fault) -> Hook? {
        guard let node = table[name] else { return nil }
        let members = try members(node)
        try check(members, hookNames, name)
        let arguments = try list(members, "run")
        guard let program = arguments.first, !program.isEmpty else {
            throw Fault("\(name) needs run, a list of a program and its arguments")
        }
        var hook = Hook(arguments: arguments)
        if let seconds = try seconds(members, "timeout") { hook.timeoutSeconds = seconds }
        return hook
    }

    private static func required(_ table: [String: Node], _ name: String) throws(Fault) -> Hook {
        guard let hook = try hook(table, name) else { throw Fault("\(name) is missing") }
        return hook
    }
}
