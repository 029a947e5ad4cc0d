public import LifeboatCore
import Yams

/// How the machines of a host are protected, as an administrator wrote it into a YAML file.
///
/// Source: docs/quiescing.md, "The file of policies". `defaults` holds for all machines, and what
/// a machine says itself replaces it, lists too.
public struct ProtectionPolicies: Sendable, Equatable {
    private var defaults = ProtectionPolicy()
    private var policies: [String: ProtectionPolicy] = [:]

    /// Without a file: what is usual, for all machines.
    public init() {}

    /// Reads a file.
    ///
    /// `path`: its name, for messages.
    /// - Throws: `.usage` with the line of what cannot be understood.
    public init(yaml text: String, path: String) throws(LifeboatError) {
        let reader = PolicyReader(path: path)
        let root: Node?
        do { root = try Yams.compose(yaml: text) } catch {
            throw PolicyReader.unreadable(error, path: path)
        }
        guard let root, !reader.isNothing(root) else { return }
        var machines: Node?
        for (name, node) in try reader.table(root, "the file") {
            switch name.text {
            case "defaults": try reader.read(node, into: &defaults)
            case "machines": machines = node
            default: throw reader.unknown(name, "the file", ["defaults", "machines"])
            }
        }
        guard let machines, !reader.isNothing(machines) else { return }
        for (name, node) in try reader.table(machines, "machines") {
            var policy = defaults
            if !reader.isNothing(node) { try reader.read(node, into: &policy) }
            policies[name.text] = policy
        }
    }

    /// The machines that have settings of their own, sorted.
    public var machines: [String] { policies.keys.sorted() }

    /// How a machine is protected.
    public func policy(for machine: String) -> ProtectionPolicy { policies[machine] ?? defaults }
}
