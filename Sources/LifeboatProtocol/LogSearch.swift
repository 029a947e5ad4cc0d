/// Finds the end of a log whose older entries may have been deleted, by asking for names.
///
/// Entries are at consecutive numbers. Of the deleted ones, *anchors* stay: multiples of each
/// power of 16 back to the period before the current one of the next power. While a log grows,
/// the next multiple of some power above any old entry is therefore there to be found. Asking in
/// ascending order of powers makes the answer right for the moment of the first question: what
/// had been deleted by a question was so because a later anchor stood by then. Source:
/// formats/log.md, "Finding the end".
public struct LogSearch: Hashable, Sendable {
    /// How anchors are spaced.
    ///
    /// Every reader and keeper of a repository must use the same: the standard one. A simulation
    /// uses a smaller one, in which short logs have what else only very long ones have.
    public struct Shape: Hashable, Sendable {
        /// The power that anchors of one level are multiples of is 2 to this, times the level.
        public var bitsPerLevel: UInt64
        public var levels: Int

        public init(bitsPerLevel: UInt64, levels: Int) {
            self.bitsPerLevel = bitsPerLevel
            self.levels = levels
        }

        /// Powers of 16; a log never has more than 2^28 entries.
        public static let standard = Shape(bitsPerLevel: 4, levels: 7)

        func step(_ level: Int) -> UInt64 { 1 << (bitsPerLevel * UInt64(level)) }
    }

    /// The last entry known to exist; 0 for none.
    public private(set) var end: UInt64
    private enum Direction { case up, along, down }
    private var direction = Direction.up
    private var level = 0
    public private(set) var isDone = false
    private let shape: Shape

    /// `known`: an entry that existed once, 0 for none.
    public init(from known: UInt64 = 0, shape: Shape = .standard) {
        end = known
        self.shape = shape
    }

    /// The entry to ask for next.
    public var question: UInt64 {
        let width = shape.bitsPerLevel * UInt64(level)
        return ((end >> width) + 1) << width
    }

    /// Takes the answer: whether the entry at `question` is there.
    public mutating func answer(_ isThere: Bool) {
        if isThere {
            end = question
            // A jump: go on at this width, then narrow down, then make sure from the beginning.
            if direction == .up { direction = .along }
            // From an anchor of the next power on, in its wider steps: the log may have grown.
            if level + 1 < shape.levels, end.isMultiple(of: shape.step(level + 1)) {
                level += 1
                direction = .along
            }
            return
        }
        switch direction {
        case .up:
            level += 1
            if level == shape.levels { isDone = true }
        case .along, .down:
            direction = .down
            if level == 0 { direction = .up } else { level -= 1 }
        }
    }

    /// Whether an entry that a checkpoint covers must stay, for the search to work.
    ///
    /// `cutoff`: the last entry that the checkpoint covers.
    public static func isAnchor(
        _ sequence: UInt64, cutoff: UInt64, shape: Shape = .standard
    ) -> Bool {
        for level in 0..<shape.levels where sequence.isMultiple(of: shape.step(level)) {
            if level == shape.levels - 1 { return true }
            let period = shape.step(level + 1)
            let current = cutoff / period * period
            if sequence + period > current { return true }
        }
        return false
    }

    /// The entries up to `cutoff` that must stay, ascending.
    public static func anchors(cutoff: UInt64, shape: Shape = .standard) -> [UInt64] {
        var result: Set<UInt64> = []
        for level in 0..<shape.levels {
            let step = shape.step(level)
            var sequence = step
            if level + 1 < shape.levels {
                let period = shape.step(level + 1)
                let current = cutoff / period * period
                // The first multiple behind the period before the current one.
                if current > period { sequence = current - period + step }
            }
            while sequence <= cutoff {
                if isAnchor(sequence, cutoff: cutoff, shape: shape) { result.insert(sequence) }
                sequence += step
            }
        }
        return result.sorted()
    }

    /// The entries up to `cutoff` that may be deleted, given that all up to `earlier` but its
    /// anchors have been.
    public static func deletable(
        after earlier: UInt64, upTo cutoff: UInt64, shape: Shape = .standard
    ) -> [UInt64] {
        guard cutoff > 0 else { return [] }
        var result: [UInt64] = []
        // Anchors of the earlier cutoff that are none any more.
        for level in 0..<shape.levels {
            let step = shape.step(level)
            let period = level + 1 < shape.levels ? shape.step(level + 1) : step
            let start = earlier / period * period
            var sequence = start >= period ? start - period : 0
            sequence = (sequence / step) * step
            while sequence <= min(earlier, cutoff) {
                if sequence > 0, !isAnchor(sequence, cutoff: cutoff, shape: shape) {
                    result.append(sequence)
                }
                sequence += step
            }
        }
        if earlier < cutoff {
            for sequence in (earlier + 1)...cutoff
            where !isAnchor(sequence, cutoff: cutoff, shape: shape) {
                result.append(sequence)
            }
        }
        return Array(Set(result)).sorted()
    }
}
