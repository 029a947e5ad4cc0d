/// The one error that crosses module borders: what failed, on which object, and what to do.
///
/// Callers and the exit code look at `code`; people read `description`. `==` compares code and
/// subject only, so that tests do not depend on wording.
public struct LifeboatError: Error, Hashable, Sendable {
    /// The kinds of failure; each maps to one documented exit code.
    public enum Code: String, Sendable, CaseIterable {
        /// Interrupted by a signal or by the caller.
        case cancelled
        /// Bytes are not what they were when they were stored.
        case damaged
        /// The operating system, the store or a permission said no.
        case denied
        /// The target exists already and nothing was overwritten.
        case exists
        /// No space left where something was to be written.
        case full
        /// What was asked for is not there.
        case missing
        /// No repository at the given place.
        case noRepository
        /// A source could not be read.
        case unreadable
        /// Lifeboat refuses to do it, and the message says why.
        case refused
        /// Somebody suspended what would be used, such as a link.
        case suspended
        /// The place does not answer now; trying again may help.
        case unavailable
        /// A newer format version, or something this build cannot do.
        case unsupported
        /// No password, key file or recovery key fits.
        case wrongKey
        /// The command line is wrong.
        case usage
        /// A mistake in Lifeboat itself.
        case internalFault
    }

    /// What kind of failure this is.
    public let code: Code
    /// One sentence, lower case, without a full stop.
    public let message: String
    /// The object, path or volume concerned.
    public let subject: String?
    /// The words of the system or the library below.
    public let cause: String?
    /// What to do now, one sentence.
    public let advice: String?

    public init(
        _ code: Code, _ message: String, subject: String? = nil, cause: String? = nil,
        advice: String? = nil
    ) {
        self.code = code
        self.message = message
        self.subject = subject
        self.cause = cause
        self.advice = advice
    }

    /// The same error, with a subject where it had none.
    public func about(_ subject: String) -> LifeboatError {
        LifeboatError(
            code, message, subject: self.subject ?? subject, cause: cause, advice: advice)
    }

    public static func == (left: LifeboatError, right: LifeboatError) -> Bool {
        left.code == right.code && left.subject == right.subject
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(code)
        hasher.combine(subject)
    }
}

extension LifeboatError: CustomStringConvertible {
    public var description: String {
        var text = message
        if let subject, !message.contains(subject) { text = "\(subject): \(text)" }
        if let cause { text += " (\(cause))" }
        if let advice { text += "; \(advice)" }
        return text
    }
}
