import LifeboatCore
import LifeboatTesting
import Testing

@testable import LifeboatStore

@Suite struct TrafficScheduleTests {
    private func moment(_ text: String) throws -> WeekMinute {
        let words = text.split(separator: " ")
        let clock = words[1].split(separator: ":").compactMap { Int($0) }
        return WeekMinute(
            day: try #require(WeekMinute.dayNames.firstIndex(of: String(words[0]))),
            minute: clock[0] * 60 + clock[1])
    }

    @Test(arguments: [
        ("mon-fri 08:00-18:00 20MB/s", ["mon 08:00", "fri 17:59"], ["mon 07:59", "fri 18:00"]),
        ("mon-fri 8:00-18:00 20MB/s", ["wed 12:00"], ["sat 12:00", "sun 12:00"]),
        ("sat,sun 00:00-24:00 none", ["sat 00:00", "sun 23:59"], ["fri 23:59", "mon 00:00"]),
        ("fri-mon 12:00-13:00 1B/s", ["fri 12:00", "sun 12:59", "mon 12:00"], ["tue 12:00"]),
        (
            "daily 22:00-06:00 1B/s", ["mon 22:00", "tue 05:59", "sun 23:59", "mon 00:00"],
            ["mon 06:00", "mon 21:59"]
        ),
        (
            "fri 22:00-06:00 1B/s", ["fri 22:00", "sat 05:59"],
            ["fri 05:59", "sat 22:00", "sat 06:00"]
        ),
        ("sun 23:00-01:00 1B/s", ["sun 23:30", "mon 00:59"], ["mon 01:00", "mon 23:30"]),
        ("Mon,WED-thu 00:00-00:01 1B/s", ["mon 00:00", "thu 00:00"], ["mon 00:01", "tue 00:00"]),
        ("mon 22:00-00:00 1B/s", ["mon 23:59"], ["tue 00:00", "mon 00:00"]),
    ])
    func `windows are open when they say`(text: String, open: [String], shut: [String]) throws {
        let window = try #require(TrafficWindow(text))
        for time in open { #expect(window.contains(try moment(time)), "\(time)") }
        for time in shut { #expect(!window.contains(try moment(time)), "\(time)") }
        #expect(TrafficWindow(window.description) == window)
    }

    @Test(arguments: [
        "", "mon-fri", "mon-fri 08:00-18:00", "08:00-18:00 20MB/s", "mon-fri 08:00-18:00 20",
        "mon-fri 08:00 20MB/s", "mon-fri 08:00-08:00 20MB/s", "mon-fri 24:00-08:00 20MB/s",
        "mon-fri 08:00-24:01 20MB/s", "mon-fri 08:60-18:00 20MB/s", "mon-fri 08:0-18:00 20MB/s",
        "mon-fri-sat 08:00-18:00 20MB/s", "mon, 08:00-18:00 20MB/s", "xyz 08:00-18:00 20MB/s",
        "daily,mon 08:00-18:00 20MB/s", "mon 08:00-18:00 20MB/s both",
        "mon 08:00-18:00 20MB/s upload x", "mon ٠8:00-18:00 20MB/s", "mon -8:00-18:00 20MB/s",
    ])
    func `what is no window is refused`(text: String) {
        #expect(TrafficWindow(text) == nil)
    }

    @Test func `the first open window counts, else the plain rate`() throws {
        let link = Link(
            name: "a", carries: [], upload: .bytesPerSecond(1), download: .bytesPerSecond(2),
            windows: [
                try #require(TrafficWindow("mon 08:00-12:00 3B/s upload")),
                try #require(TrafficWindow("mon 10:00-14:00 4B/s")),
                try #require(TrafficWindow("daily 00:00-24:00 5B/s download")),
            ])
        let (upload, download) = (link.schedule(.upload), link.schedule(.download))
        let table: [(String, UInt64, UInt64)] = [
            ("mon 09:00", 3, 5), ("mon 11:00", 3, 4), ("mon 13:00", 4, 4), ("mon 14:00", 1, 5),
            ("tue 11:00", 1, 5),
        ]
        for (time, up, down) in table {
            #expect(upload.rate(at: try moment(time)) == .bytesPerSecond(up), "\(time)")
            #expect(download.rate(at: try moment(time)) == .bytesPerSecond(down), "\(time)")
        }
        // From 3 on to 4, and not where the second window begins behind the first.
        #expect(upload.minutesUntilChange(after: try moment("mon 09:00")) == 180)
        #expect(upload.minutesUntilChange(after: try moment("mon 14:00")) == 7 * 1440 - 360)
    }

    @Test func `a rate that never changes has no next one`() throws {
        let whole = try #require(TrafficWindow("daily 00:00-24:00 5B/s"))
        for windows in [[], [whole]] {
            let schedule = TrafficSchedule(plain: .unlimited, windows: windows)
            #expect(schedule.minutesUntilChange(after: WeekMinute(77)) == nil)
        }
    }

    /// A window by brute force: every minute that it covers, written down.
    private func minutes(_ window: TrafficWindow) -> Set<Int> {
        var minutes: Set<Int> = []
        for day in 0..<7 where window.days[day] {
            for offset in 0..<window.duration {
                minutes.insert((day * 1440 + window.begin + offset) % 10080)
            }
        }
        return minutes
    }

    @Test(arguments: TestSeeds.scaled(10))
    func `a schedule is what its windows say minute by minute`(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let windows = try (0..<Int.random(in: 0...4, using: &generator)).map { _ in
            let days = WeekMinute.dayNames.shuffled(using: &generator)
                .prefix(Int.random(in: 1...7, using: &generator)).joined(separator: ",")
            let begin = Int.random(in: 0..<1440, using: &generator)
            var end = Int.random(in: 0...1440, using: &generator)
            if end == begin { end += 1 }
            let rate = Int.random(in: 1...3, using: &generator)
            return try #require(
                TrafficWindow(
                    "\(days) \(WeekMinute.clock(begin))-\(WeekMinute.clock(end)) \(rate)B/s"))
        }
        let schedule = TrafficSchedule(plain: .bytesPerSecond(1), windows: windows)
        let covered = windows.map(minutes)
        let rates = (0..<10080).map { minute in
            zip(windows, covered).first { $0.1.contains(minute) }?.0.rate ?? .bytesPerSecond(1)
        }
        for _ in 0..<200 {
            let start = Int.random(in: 0..<10080, using: &generator)
            #expect(schedule.rate(at: WeekMinute(start)) == rates[start])
            let next = (1...10080).first { rates[(start + $0) % 10080] != rates[start] }
            #expect(schedule.minutesUntilChange(after: WeekMinute(start)) == next)
        }
    }

    @Test func `minutes go round the week`() {
        #expect(WeekMinute(-1).description == "sun 23:59")
        #expect(WeekMinute(10080) == WeekMinute(0))
        #expect(WeekMinute(day: 4, minute: 65).description == "fri 01:05")
    }
}
