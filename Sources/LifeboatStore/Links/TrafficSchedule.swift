internal import LifeboatCore

/// Which rate holds when: that of the first window that is open, else the plain one.
struct TrafficSchedule: Hashable, Sendable {
    let plain: TrafficRate
    let windows: [TrafficWindow]

    /// The rate of a moment.
    func rate(at moment: WeekMinute) -> TrafficRate {
        windows.first { $0.contains(moment) }?.rate ?? plain
    }

    /// The minutes until another rate holds, at least 1; `nil` if the rate never changes.
    func minutesUntilChange(after moment: WeekMinute) -> Int? {
        let now = rate(at: moment)
        // A rate can only change where a window begins or ends.
        let distances = windows.flatMap { window in
            window.days.indices.filter { window.days[$0] }.flatMap { day in
                [window.begin, window.begin + window.duration].map { minute in
                    let distance = WeekMinute(
                        WeekMinute(day: day, minute: minute).number - moment.number
                    ).number
                    return distance == 0 ? WeekMinute.perWeek : distance
                }
            }
        }
        return distances.sorted().first { rate(at: WeekMinute(moment.number + $0)) != now }
    }
}
