internal import Glibc

extension ChildProcess {
    /// A process that this one has started, or that one of those has.
    public struct Descendant: Sendable, Hashable {
        public var identifier: Int32
        /// The name of its program, of which the kernel keeps 15 bytes.
        public var name: String
    }

    /// What it has started and what runs now, children before theirs; none after its own end.
    public var descendants: [Descendant] {
        guard isRunning, let names = try? Files.list("/proc") else { return [] }
        var children: [Int32: [Descendant]] = [:]
        for name in names {
            guard let number = Int32(name),
                let stat = Files.text("/proc/\(name)/stat", limit: 4096),
                let open = stat.firstIndex(of: "("), let close = stat.lastIndex(of: ")")
            else { continue }
            // Behind the name: the state, and the parent's number.
            let fields = stat[stat.index(after: close)...].split(separator: " ")
            guard fields.count > 1, fields[0] != "Z", let parent = Int32(fields[1]) else {
                continue
            }
            children[parent, default: []].append(
                Descendant(
                    identifier: number, name: String(stat[stat.index(after: open)..<close])))
        }
        var found = children[identifier] ?? []
        var next = 0
        while next < found.count {
            found += children[found[next].identifier] ?? []
            next += 1
        }
        return found
    }

    /// Kills what it has started; itself goes on, and may tidy up.
    ///
    /// Returns how many processes that were.
    @discardableResult
    public func killDescendants() -> Int {
        let found = descendants
        for descendant in found { Glibc.kill(descendant.identifier, SIGKILL) }
        return found.count
    }
}
