public import LifeboatCore
import LifeboatFormat

/// Reads block maps in order, and compares two of them.
public struct BlockMapWalk {
    private let nodes: NodeReader

    public init(_ nodes: NodeReader) { self.nodes = nodes }

    /// Calls `body` with the ids of every leaf that holds any chunk of `range`, in order.
    ///
    /// Leaves that hold only zeros are left out. `body` gets the index of the leaf's first chunk.
    /// `unreadable` gets the chunks of `range` that damage hides, and what is damaged.
    public func leaves(
        of root: BlockMapRoot, in range: Range<UInt64>,
        unreadable: (Range<UInt64>, LifeboatError) throws(LifeboatError) -> Void,
        _ body: (UInt64, [Digest]) throws(LifeboatError) -> Void
    ) throws(LifeboatError) {
        guard root.levels > 0, !root.id.isZero, !range.isEmpty else { return }
        try visit(root.id, level: root.levels - 1, index: 0, range, unreadable, body)
    }

    /// The same, where a damaged node is an error.
    public func leaves(
        of root: BlockMapRoot, in range: Range<UInt64>,
        _ body: (UInt64, [Digest]) throws(LifeboatError) -> Void
    ) throws(LifeboatError) {
        try leaves(
            of: root, in: range, unreadable: { _, error throws(LifeboatError) in throw error }, body
        )
    }

    private func visit(
        _ id: Digest, level: Int, index: UInt64, _ range: Range<UInt64>,
        _ unreadable: (Range<UInt64>, LifeboatError) throws(LifeboatError) -> Void,
        _ body: (UInt64, [Digest]) throws(LifeboatError) -> Void
    ) throws(LifeboatError) {
        let node: BlockMapNode
        do throws(LifeboatError) {
            node = try nodes.node(id, level: level)
        } catch {
            guard error.code == .damaged else { throw error }
            let span = BlockMapShape.childSpan(level: level + 1)
            try unreadable((index * span..<(index + 1) * span).clamped(to: range), error)
            return
        }
        if level == 0 {
            try body(index << 5, node.children)
            return
        }
        let span = BlockMapShape.childSpan(level: level)
        for slot in 0..<BlockMapShape.fanOut where !node.children[slot].isZero {
            let child = index << 5 + UInt64(slot)
            let first = child * span
            guard first < range.upperBound, first + span > range.lowerBound else { continue }
            try visit(node.children[slot], level: level - 1, index: child, range, unreadable, body)
        }
    }

    /// Calls `body` for every chunk whose id differs, in order.
    ///
    /// Costs as much as differs.
    public func difference(
        _ old: BlockMapRoot, _ new: BlockMapRoot,
        _ body: (UInt64, Digest, Digest) throws(LifeboatError) -> Void
    ) throws(LifeboatError) {
        let levels = max(old.levels, new.levels)
        guard levels > 0 else { return }
        try compare(old, new, level: levels - 1, index: 0, body)
    }

    /// The children of a root as seen from `level`, which may lie above it.
    private func children(
        _ root: BlockMapRoot, level: Int
    ) throws(LifeboatError) -> [Digest] {
        if root.id.isZero { return BlockMapNode.empty(level: level).children }
        if root.levels == level + 1 { return try nodes.node(root.id, level: level).children }
        var node = BlockMapNode.empty(level: level)
        node.children[0] = root.id
        return node.children
    }

    private func compare(
        _ old: BlockMapRoot, _ new: BlockMapRoot, level: Int, index: UInt64,
        _ body: (UInt64, Digest, Digest) throws(LifeboatError) -> Void
    ) throws(LifeboatError) {
        if old == new { return }
        let left = try children(old, level: level)
        let right = try children(new, level: level)
        for slot in 0..<BlockMapShape.fanOut {
            let child = index << 5 + UInt64(slot)
            if level == 0 {
                if left[slot] != right[slot] { try body(child, left[slot], right[slot]) }
                continue
            }
            try compare(
                below(old, left[slot], level), below(new, right[slot], level), level: level - 1,
                index: child, body)
        }
    }

    private func below(_ root: BlockMapRoot, _ child: Digest, _ level: Int) -> BlockMapRoot {
        // A root that lies lower than `level` keeps its own level until the walk has come down.
        if child.isZero { return .zero }
        return root.levels == level + 1
            ? BlockMapRoot(id: child, levels: level) : BlockMapRoot(id: child, levels: root.levels)
    }
}
