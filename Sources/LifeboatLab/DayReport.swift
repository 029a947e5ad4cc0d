/// What one simulated day took, and what there is at its end.
struct DayReport: Codable {
    /// Processor time of one kind of work, in seconds.
    struct Work: Codable {
        var count = 0
        var median = 0.0
        var percentile95 = 0.0
        var maximum = 0.0

        init(_ samples: [Double]) {
            guard !samples.isEmpty else { return }
            let sorted = samples.sorted()
            count = sorted.count
            median = sorted[(sorted.count - 1) / 2]
            percentile95 = sorted[min(sorted.count - 1, sorted.count * 95 / 100)]
            maximum = sorted[sorted.count - 1]
        }
    }

    /// What is measured; the order is that of the table.
    enum Kind: String, CaseIterable {
        /// Opening a repository as a new process does, and reading its logs.
        case opening
        /// The same, and listing all points.
        case listing
        /// A backup by a process that has read the logs before.
        case backup
        /// A backup by a new process.
        case freshBackup
        case forget
        case prune
    }

    var day: Int
    var points: Int
    var forgotten: Int
    var cpuSeconds: Double
    var work: [String: Work]
    var objects: [String: ObjectCount]
    var packBytesLive: UInt64
    var packBytesHeld: UInt64
    var peakBytes: UInt64

    func median(_ kind: Kind) -> Double { work[kind.rawValue]?.median ?? 0 }

    var objectCount: Int { objects.values.reduce(0) { $0 + $1.number } }
    var storedBytes: UInt64 { objects.values.reduce(0) { $0 + $1.bytes } }

    static let title =
        "day  points |  open    list  backup   fresh  forget   prune (ms CPU, median) |"
        + " packs  runs   log bodies |  stored    live | CPU s"

    var line: String {
        func number(_ value: Double, _ width: Int) -> String {
            let text = value < 10 ? String(Int(value * 100)).hundredths : String(Int(value))
            return String(repeating: " ", count: max(0, width - text.count)) + text
        }
        func count(_ value: Int, _ width: Int) -> String {
            let text = String(value)
            return String(repeating: " ", count: max(0, width - text.count)) + text
        }
        func objects(_ kind: String) -> Int { self.objects[kind]?.number ?? 0 }
        let times = Kind.allCases.map { number(median($0) * 1000, 7) }.joined(separator: " ")
        return "\(count(day, 3)) \(count(points, 7)) |\(times)                     |"
            + "\(count(objects("packs"), 6))\(count(objects("index"), 6))\(count(objects("log"), 6))"
            + "\(count(objects("points"), 7)) |\(count(Int(storedBytes >> 10), 6)) K"
            + "\(count(Int(packBytesLive >> 10), 6)) K |\(count(Int(cpuSeconds), 6))"
    }
}

extension String {
    /// A number of hundredths with its point.
    fileprivate var hundredths: String {
        let padded = String(repeating: "0", count: max(0, 3 - count)) + self
        return padded.dropLast(2) + "." + padded.suffix(2)
    }
}
