public import LifeboatCore

/// How many levels and nodes a block map has.
///
/// Source: formats/block-map.md.
public enum BlockMapShape {
    /// Children a node.
    ///
    /// 32: a scattered write costs one leaf of a kilobyte. With 64, 1,024 random writes into
    /// 16 KiB chunks of 4 GiB cost 2.1 MB of metadata, with 32 they cost 1.4 MB.
    public static let fanOut = 32
    /// 32^12 chunks are more than any volume has.
    public static let levelLimit = 12

    /// How many chunks a volume of `size` bytes has.
    public static func chunkCount(size: UInt64, chunkSize: Int) -> UInt64 {
        (size + UInt64(chunkSize) - 1) / UInt64(chunkSize)
    }

    /// The levels that `chunkCount` chunks need: 0 for none, else the fewest that suffice.
    public static func levels(chunkCount: UInt64) -> Int {
        var levels = 0
        var reach: UInt64 = 1
        while levels == 0 ? chunkCount > 0 : reach < chunkCount {
            reach *= UInt64(fanOut)
            levels += 1
        }
        return levels
    }

    /// How many chunks a child of a node at `level` covers; leaves are level 0.
    @inlinable
    public static func childSpan(level: Int) -> UInt64 { 1 << UInt64(5 * level) }
}

/// A node of a block map: the ids of up to 32 chunks (level 0) or nodes of the level below.
///
/// Encoding: level (1 byte), count (1), then count ids of 32 bytes; trailing zero ids are left
/// out, so a node has one encoding and none is empty.
public struct BlockMapNode: Sendable {
    public var level: Int
    public var children: [Digest]

    public init(level: Int, children: [Digest]) {
        self.level = level
        self.children = children
    }

    /// A node of 32 zero children.
    public static func empty(level: Int) -> BlockMapNode {
        BlockMapNode(
            level: level, children: [Digest](repeating: .zero, count: BlockMapShape.fanOut))
    }

    /// Bytes of the largest node.
    public static let byteLimit = 2 + 32 * BlockMapShape.fanOut

    /// The encoding; `nil` when all children are zero: such a node is not stored.
    public func encoded() -> [UInt8]? {
        guard let last = children.lastIndex(where: { !$0.isZero }) else { return nil }
        var bytes = [UInt8](repeating: 0, count: 2 + 32 * (last + 1))
        bytes[0] = UInt8(level)
        bytes[1] = UInt8(last + 1)
        bytes.withUnsafeMutableBytes { raw in
            for index in 0...last { children[index].store(into: raw, at: 2 + 32 * index) }
        }
        return bytes
    }

    /// Decodes a node that is expected at `level`.
    ///
    /// The result always has 32 children.
    public init(
        decoding bytes: UnsafeRawBufferPointer, level: Int, subject: String
    ) throws(LifeboatError) {
        guard bytes.count >= 2, bytes[0] == UInt8(level), bytes[1] >= 1,
            bytes[1] <= UInt8(BlockMapShape.fanOut), bytes.count == 2 + 32 * Int(bytes[1])
        else {
            throw LifeboatError(
                .damaged, "\(subject) is no block map node of level \(level)", subject: subject)
        }
        self.level = level
        children = [Digest](repeating: .zero, count: BlockMapShape.fanOut)
        for index in 0..<Int(bytes[1]) {
            children[index] = Digest(loading: bytes, at: 2 + 32 * index)
        }
        if children[Int(bytes[1]) - 1].isZero {
            throw LifeboatError(
                .damaged, "\(subject) ends with a zero id", subject: subject)
        }
    }
}
