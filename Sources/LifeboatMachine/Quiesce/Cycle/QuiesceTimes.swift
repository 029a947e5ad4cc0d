/// How long the parts of a cycle may take, all in proportion to a guest's freeze deadline.
///
/// With the usual 20 s: a freeze has 13 s to be answered, a guest is thawed after 18 s at the
/// latest, the guardian acts after 20 s, the dead-man in the guest about 3 s later.
struct QuiesceTimes: Sendable {
    let deadline: Double

    init(_ policy: ProtectionPolicy) { deadline = max(policy.freezeSeconds, 0.001) }

    var inspection: Double { deadline / 2 }
    var freeze: Double { deadline * 0.65 }
    /// From the request to freeze.
    var thawAtLatest: Double { deadline * 0.9 }
    var pause: Double { deadline / 4 }
    /// A thaw in Windows was seen to take longer than 20 s; it is asked for again then.
    func thaw(isWindows: Bool) -> Double { deadline * (isWindows ? 1.5 : 0.5) }
    var status: Double { deadline / 4 }
    /// Between two questions whether a guest is thawed.
    var interval: Double { deadline / 40 }
    /// How long a guest must say `thawed` after a freeze that was not answered.
    var settling: Double { deadline * 0.35 }
    /// From the request to freeze; the guardian goes on when this process gives up.
    func giveUp(isWindows: Bool) -> Double { deadline * (isWindows ? 10 : 5) }
    /// How much later than its time-out a call is given up.
    var grace: Double { deadline / 20 }
    /// After its start, which comes before the freeze.
    var deadMan: Double { (deadline * 1.15).rounded(.up) }

    /// Windows ends a freeze by itself after so many seconds.
    static let windowsLimit = 10.0
}
