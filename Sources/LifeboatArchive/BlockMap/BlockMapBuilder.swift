public import LifeboatCore
import LifeboatFormat

/// The root of a block map.
public struct BlockMapRoot: Hashable, Sendable {
    public var id: Digest
    public var levels: Int

    public static let zero = BlockMapRoot(id: .zero, levels: 0)

    public init(id: Digest, levels: Int) {
        self.id = id
        self.levels = levels
    }
}

/// Where a builder puts the nodes it makes.
public protocol NodeSink: AnyObject {
    /// Stores a node and returns its id. Stores nothing twice.
    ///
    /// `again`: wherever the node is thought to be, it cannot be read there.
    func store(_ node: [UInt8], again: Bool) throws(LifeboatError) -> Digest
    /// Whether a node was lost with a damaged pack, and must be stored again where it is met.
    func isLost(_ id: Digest) -> Bool
}

/// Makes a volume's block map out of its parent's by setting chunk ids in ascending order.
///
/// Only the nodes on changed paths are made anew; memory is one path from root to leaf.
/// Not safe from many threads.
public final class BlockMapBuilder {
    private struct OpenNode {
        var index: UInt64
        var id: Digest
        var node: BlockMapNode
        var isDirty: Bool
        /// Whether the parent's node could not be read.
        var isUnreadable = false
    }

    private let levels: Int
    private let sink: any NodeSink
    private let nodes: NodeReader?
    /// Open nodes, by level; the root is the last.
    ///
    /// Those below the deepest open one are `nil`.
    private var path: [OpenNode?]
    /// Whether a node of the parent that cannot be read counts as unknown instead of an error.
    private let forgivesDamage: Bool
    /// Nodes of the parent that could not be read.
    public private(set) var unreadable: [LifeboatError] = []

    /// - `chunkCount`: chunks of the new volume, or more where its size is not known yet.
    /// - `parent`: the map to start from; `.zero` for none.
    public init(
        chunkCount: UInt64, parent: BlockMapRoot, nodes: NodeReader?, sink: any NodeSink,
        forgivesDamage: Bool
    ) throws(LifeboatError) {
        levels = BlockMapShape.levels(chunkCount: chunkCount)
        self.sink = sink
        self.nodes = nodes
        self.forgivesDamage = forgivesDamage
        path = [OpenNode?](repeating: nil, count: levels)
        guard levels > 0 else { return }
        var root = parent
        if root.id.isZero { root.levels = levels }
        // A larger volume has levels above the parent's root, whose first child that is.
        for level in stride(from: levels - 1, through: root.levels, by: -1) {
            path[level] = OpenNode(
                index: 0, id: .zero, node: .empty(level: level), isDirty: false)
        }
        while root.levels > levels {
            root.id = try load(root.id, level: root.levels - 1).node.children[0]
            root.levels -= 1
        }
        path[root.levels - 1] = try open(root.id, level: root.levels - 1, index: 0)
    }

    private func load(
        _ id: Digest, level: Int
    ) throws(LifeboatError) -> (node: BlockMapNode, isKnown: Bool) {
        guard !id.isZero, let nodes else { return (.empty(level: level), true) }
        do throws(LifeboatError) {
            return (try nodes.node(id, level: level), true)
        } catch {
            guard forgivesDamage, error.code == .damaged else { throw error }
            unreadable.append(error)
            return (.empty(level: level), false)
        }
    }

    private func open(
        _ id: Digest, level: Int, index: UInt64
    ) throws(LifeboatError) -> OpenNode {
        let loaded = try load(id, level: level)
        return OpenNode(
            index: index, id: id, node: loaded.node, isDirty: !loaded.isKnown,
            isUnreadable: !loaded.isKnown)
    }

    /// Opens the path to the node at `level` that covers `chunk`, and closes everything below.
    private func seek(_ chunk: UInt64, level: Int) throws(LifeboatError) {
        func index(_ level: Int) -> UInt64 { chunk >> UInt64(5 * (level + 1)) }
        var common = level
        while common < levels - 1, path[common]?.index != index(common) { common += 1 }
        try close(below: common)
        while common > level {
            guard let above = path[common] else { break }
            let child = above.node.children[Int(index(common - 1) & 31)]
            path[common - 1] = try open(child, level: common - 1, index: index(common - 1))
            common -= 1
        }
    }

    private func close(below level: Int) throws(LifeboatError) {
        guard level > 0 else { return }
        for lower in 0..<level where path[lower] != nil {
            guard let node = path[lower] else { continue }
            let id = try closed(node)
            path[lower] = nil
            let slot = Int(node.index & 31)
            if path[lower + 1]?.node.children[slot] != id {
                path[lower + 1]?.node.children[slot] = id
                path[lower + 1]?.isDirty = true
            }
        }
    }

    private func closed(_ node: OpenNode) throws(LifeboatError) -> Digest {
        guard node.isDirty || sink.isLost(node.id) else { return node.id }
        guard let bytes = node.node.encoded() else { return .zero }
        return try sink.store(bytes, again: node.isUnreadable)
    }

    /// The id that the map has for `chunk` now: the parent's, until it is set.
    public func existing(_ chunk: UInt64) throws(LifeboatError) -> Digest {
        guard levels > 0 else { return .zero }
        try seek(chunk, level: 0)
        return path[0]?.node.children[Int(chunk & 31)] ?? .zero
    }

    /// Sets the id of `chunk`.
    ///
    /// Chunks are set in ascending order.
    public func set(_ chunk: UInt64, _ id: Digest) throws(LifeboatError) {
        guard levels > 0 else { return }
        try seek(chunk, level: 0)
        assign(id, level: 0, slot: Int(chunk & 31))
    }

    private func assign(_ id: Digest, level: Int, slot: Int) {
        guard path[level]?.node.children[slot] != id else { return }
        path[level]?.node.children[slot] = id
        path[level]?.isDirty = true
    }

    /// Sets all chunks of `range` to zero; whole subtrees at once.
    public func setZero(_ range: Range<UInt64>) throws(LifeboatError) {
        try setZero(range, below: levels)
    }

    private func setZero(_ range: Range<UInt64>, below limit: Int) throws(LifeboatError) {
        guard levels > 0 else { return }
        var chunk = range.lowerBound
        while chunk < range.upperBound {
            var level = 0
            while level + 1 < limit {
                let span = BlockMapShape.childSpan(level: level + 1)
                guard chunk.isMultiple(of: span), range.upperBound - chunk >= span else { break }
                level += 1
            }
            try seek(chunk, level: level)
            let slot = Int((chunk >> UInt64(5 * level)) & 31)
            assign(.zero, level: level, slot: slot)
            chunk += BlockMapShape.childSpan(level: level)
        }
    }

    /// Cuts the map to its final size, stores what is still open, and returns the root.
    public func finish(chunkCount: UInt64) throws(LifeboatError) -> BlockMapRoot {
        let needed = BlockMapShape.levels(chunkCount: chunkCount)
        guard needed > 0, levels > 0 else { return .zero }
        // A parent that was larger may hold chunks beyond the new end.
        try setZero(chunkCount..<BlockMapShape.childSpan(level: needed), below: needed)
        try seek(0, level: needed - 1)
        guard let root = path[needed - 1] else { return .zero }
        let id = try closed(root)
        return id.isZero ? .zero : BlockMapRoot(id: id, levels: needed)
    }
}
