import LifeboatCore

/// How far the current stage is, how fast it goes, and when it will be over.
///
/// Pure: the caller tells the time, in seconds from any fixed moment.
struct ProgressMeter: Sendable {
    /// Seconds between two showings: at most five a second.
    static let interval = 0.2
    /// Throughput is the mean over this many seconds.
    static let window = 10.0

    struct Sample: Sendable {
        var time: Double
        var done: UInt64
    }

    private(set) var stage = ""
    private(set) var total: UInt64?
    private(set) var done: UInt64 = 0
    private var samples: [Sample] = []
    private var lastShown = -Double.infinity

    /// Begins a stage.
    mutating func start(_ stage: String, total: UInt64?, now: Double) {
        self.stage = stage
        self.total = total
        done = 0
        samples = [Sample(time: now, done: 0)]
        lastShown = -Double.infinity
    }

    /// Takes a new count; true when it is time to show it.
    mutating func advance(_ stage: String, done: UInt64, total: UInt64?, now: Double) -> Bool {
        if stage != self.stage { start(stage, total: total, now: now) }
        // Workers tell out of order; what is done is not undone.
        self.done = max(self.done, done)
        self.total = total ?? self.total
        guard now - lastShown >= Self.interval else { return false }
        lastShown = now
        samples.append(Sample(time: now, done: self.done))
        while samples.count > 2, now - samples[1].time >= Self.window { samples.removeFirst() }
        return true
    }

    /// Bytes a second, once there is enough to tell.
    var rate: Double? {
        guard let first = samples.first, let last = samples.last, last.time - first.time > 0.5
        else { return nil }
        return Double(last.done - first.done) / (last.time - first.time)
    }

    /// Seconds until the stage is over, where that can be told.
    var secondsLeft: Double? {
        guard let rate, rate > 0, let total, total >= done else { return nil }
        return Double(total - done) / rate
    }

    /// 0 to 100.
    var percent: Double? {
        guard let total, total > 0 else { return nil }
        return min(100, Double(done) / Double(total) * 100)
    }

    /// `reading  1.50 GiB of 3.00 GiB  50.0 %  512 MiB/s  0:03 left`, cut to `width` columns.
    func line(width: Int) -> String {
        var parts = [SafeText.line(stage)]
        if let total {
            parts.append("\(ByteText.describe(done)) of \(ByteText.describe(total))")
        } else {
            parts.append(ByteText.describe(done))
        }
        if let percent { parts.append(NumberText.fixed(percent, places: 1) + " %") }
        if let rate { parts.append(ByteText.describe(UInt64(rate)) + "/s") }
        if let secondsLeft { parts.append(TimeText.duration(secondsLeft) + " left") }
        // One column stays free: some terminals wrap when the last one is written.
        return String(parts.joined(separator: "  ").prefix(max(0, width - 1)))
    }

    /// The same as an event for programs.
    var json: JSONValue {
        [
            "event": "progress", "stage": .string(stage), "done": .integer(done),
            "total": JSONValue(total), "percent": JSONValue(percent),
            "bytes_per_second": JSONValue(rate), "seconds_left": JSONValue(secondsLeft),
        ]
    }
}
