import LifeboatSystem

/// A moment at which waiting ends.
struct Deadline: Sendable {
    private let end: Double

    init(seconds: Double) { end = Clock.monotonicSeconds() + seconds }

    /// What is left, at least 0.
    var seconds: Double { max(0, end - Clock.monotonicSeconds()) }
    var hasPassed: Bool { seconds <= 0 }
}
