import LifeboatCore

/// Whether a simulated year ended as it began.
///
/// Times are processor time of one process, and medians of a day: other programs hardly matter.
struct YearVerdict {
    private(set) var faults: [String] = []

    /// Differences of less than this many seconds are noise.
    static let floor = 0.005

    init(_ days: [DayReport]) {
        guard let last = days.last, days.count > 2 else { return }
        for kind in DayReport.Kind.allCases {
            let early = (days[0].median(kind) + days[1].median(kind)) / 2
            let late = last.median(kind)
            // Who lists points or looks at all of them does so for each that is kept.
            let isByPoint = kind == .listing || kind == .prune
            let growth = Double(last.points) / Double(max(days[1].points, 1))
            let allowed = 2 * (isByPoint ? max(1, growth) : 1)
            guard late > allowed * early + Self.floor else { continue }
            faults.append(
                "\(kind.rawValue) takes \(Self.milliseconds(late)) at the end, "
                    + "\(Self.milliseconds(early)) on the first two days")
        }
        checkObjects(days[2], last)
        checkSpace(last)
    }

    private static func milliseconds(_ seconds: Double) -> String {
        "\(Int((seconds * 1000).rounded())) ms"
    }

    /// A point takes a body; everything else must not grow.
    private mutating func checkObjects(_ third: DayReport, _ last: DayReport) {
        let (before, after) = (third.objectCount - third.points, last.objectCount - last.points)
        if Double(after) > 1.5 * Double(before) + 64 {
            faults.append(
                "there are \(after) objects besides those of points, on day 3 there were \(before)")
        }
        let bodies = last.objects["points"]?.number ?? 0
        if bodies > last.points + 64 {
            faults.append("there are \(bodies) bodies of \(last.points) points")
        }
    }

    /// A fresh repository of the points that are kept would hold the live shares of packs, a body
    /// and some bytes of log or checkpoint for each point, and the index.
    private mutating func checkSpace(_ last: DayReport) {
        let points = last.objects["points"]?.bytes ?? 0
        let index = last.objects["index"]?.bytes ?? 0
        let needed =
            last.packBytesLive + points + index + UInt64(last.points) * 512
        let allowed = needed + needed / 10 + (4 << 20)
        if last.storedBytes > allowed {
            faults.append(
                "\(ByteText.describe(last.storedBytes)) are stored where "
                    + "\(ByteText.describe(needed)) would do")
        }
    }
}
