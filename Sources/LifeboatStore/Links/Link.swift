internal import LifeboatCore

/// A way to stores that has limits of its own, as an administrator describes it.
struct Link: Hashable, Sendable {
    var name: String
    var carries: [LinkCarriage]
    var upload: TrafficRate = .unlimited
    var download: TrafficRate = .unlimited
    var windows: [TrafficWindow] = []
    var sourceAddress: String?
    var interface: String?
    /// Where backups go while it cannot be used; `nil` for nowhere.
    var spool: SpoolSettings?

    private static let nameLimit = 64

    /// Letters, digits, `-`, `_` and `.`, beginning with a letter or digit: it names files.
    static func isName(_ text: String) -> Bool {
        let isFirst = { (byte: UInt8) in
            (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
        }
        return (1...nameLimit).contains(text.utf8.count)
            && text.utf8.first.map(isFirst) == true
            && text.utf8.allSatisfy { isFirst($0) || "-_.".utf8.contains($0) }
    }

    /// The rates of a direction.
    func schedule(_ direction: TrafficWindow.Direction) -> TrafficSchedule {
        TrafficSchedule(
            plain: direction == .upload ? upload : download,
            windows: windows.filter { $0.direction == nil || $0.direction == direction })
    }
}
