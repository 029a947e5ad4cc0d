import ArgumentParser
import Lifeboat
import LifeboatCore

/// How many points of each group are kept.
struct PolicyOptions: ParsableArguments {
    @Option(
        name: .customLong("keep-last"),
        help: ArgumentHelp("Keep the newest points.", valueName: "count"))
    var last: Int?

    @Option(
        name: .customLong("keep-hourly"),
        help: ArgumentHelp(
            "Keep the newest point of each of so many hours that have any.", valueName: "count"))
    var hourly: Int?

    @Option(
        name: .customLong("keep-daily"),
        help: ArgumentHelp("The same for days, of UTC.", valueName: "count"))
    var daily: Int?

    @Option(
        name: .customLong("keep-weekly"),
        help: ArgumentHelp("The same for weeks, from Monday on.", valueName: "count"))
    var weekly: Int?

    @Option(
        name: .customLong("keep-monthly"),
        help: ArgumentHelp("The same for months.", valueName: "count"))
    var monthly: Int?

    @Option(
        name: .customLong("keep-yearly"),
        help: ArgumentHelp("The same for years.", valueName: "count"))
    var yearly: Int?

    @Option(
        name: .customLong("keep-within"),
        help: ArgumentHelp(
            """
            Keep all points so long before the newest: years, months, days and hours, such as 30d, \
            12h or 1y6m.
            """, valueName: "span"))
    var within: RetentionSpanArgument?

    @Option(
        name: .customLong("group-by"),
        help: ArgumentHelp(
            """
            What counts its points apart: machine, and tag:NAME for each value of a tag, separated \
            by commas.
            """, valueName: "groups"))
    var groupBy = "machine,tag:group"

    /// The policy; `nil` when no option of it is given.
    var policy: RetentionPolicy? {
        var policy = RetentionPolicy()
        policy.last = last ?? 0
        policy.hourly = hourly ?? 0
        policy.daily = daily ?? 0
        policy.weekly = weekly ?? 0
        policy.monthly = monthly ?? 0
        policy.yearly = yearly ?? 0
        policy.within = within?.span
        return policy.isEmpty ? nil : policy
    }

    var grouping: RetentionGrouping {
        get throws(LifeboatError) {
            let parts = groupBy.split(separator: ",", omittingEmptySubsequences: false)
            var tags: [String] = []
            for part in parts.dropFirst() where part.hasPrefix("tag:") && part.count > 4 {
                tags.append(String(part.dropFirst(4)))
            }
            guard parts.first == "machine", tags.count == parts.count - 1,
                Set(tags).count == tags.count
            else {
                throw LifeboatError(
                    .usage, "--group-by is machine, or machine,tag:NAME", subject: groupBy)
            }
            return RetentionGrouping(tags: tags)
        }
    }

    func validate() throws {
        for count in [last, hourly, daily, weekly, monthly, yearly] {
            if let count, count < 1 { throw ValidationError("a --keep count is at least 1") }
        }
        _ = try usageChecked { () throws(LifeboatError) in try grouping }
    }
}
