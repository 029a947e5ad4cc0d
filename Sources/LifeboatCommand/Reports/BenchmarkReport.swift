import Lifeboat
import LifeboatCore

extension Report {
    /// What `benchmark` says: bytes of volume a second.
    init(_ result: BenchmarkResult) {
        json = [
            "source": .string(result.source), "bytes": .integer(result.bytes),
            "threads": JSONValue(result.threads), "rows": .array(result.rows.map(\.json)),
            "combined_throughput": .number(result.combinedThroughput),
        ]
        var table = TextTable([
            .left("work"), .right("one thread"), .right("\(result.threads) threads"),
            .right("ratio"),
        ])
        for row in result.rows {
            table.rows.append([
                row.work, rate(row.oneThread), rate(row.allThreads),
                row.ratio.map { NumberText.fixed($0, places: 3) } ?? "",
            ])
        }
        lines = ["\(result.source), \(ByteText.describe(result.bytes))"] + table.lines
        let limit = rate(result.combinedThroughput)
        lines.append("a first backup of this data reaches at most \(limit)")
    }
}

private func rate(_ bytesPerSecond: Double) -> String {
    guard bytesPerSecond.isFinite, bytesPerSecond > 0, bytesPerSecond < 1e18 else { return "" }
    return ByteText.describe(UInt64(bytesPerSecond)) + "/s"
}

extension BenchmarkRow {
    fileprivate var json: JSONValue {
        [
            "work": .string(work), "one_thread": .number(oneThread),
            "all_threads": .number(allThreads), "ratio": JSONValue(ratio),
        ]
    }
}
