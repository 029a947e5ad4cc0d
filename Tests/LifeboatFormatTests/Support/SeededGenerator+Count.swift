import LifeboatTesting

extension SeededGenerator {
    /// A number below `limit`; 0 when that is 0.
    mutating func count(_ limit: Int) -> Int { limit == 0 ? 0 : Int(next() % UInt64(limit)) }
}
