/// One thing that was found out about how well machines can be protected.
public struct MachineFinding: Sendable, Equatable {
    /// How much it matters.
    public enum Severity: String, Sendable, CaseIterable {
        /// As it should be.
        case good
        /// It could be better.
        case advice
        /// Something does not work as it should, but points can be made.
        case warning
        /// Points cannot be made, or a guest is in trouble.
        case problem
    }

    public var severity: Severity
    /// Names the check: lower-case words with hyphens, fixed for programs.
    public var check: String
    /// The machine; `nil` for what concerns the host.
    public var machine: String?
    /// One sentence, lower case, without a full stop.
    public var message: String
    /// How to mend it.
    public var advice: String?

    public init(
        _ severity: Severity, _ check: String, machine: String? = nil, _ message: String,
        advice: String? = nil
    ) {
        self.severity = severity
        self.check = check
        self.machine = machine
        self.message = message
        self.advice = advice
    }
}
