/// A password, key or token: text that no message, mirror or dump shows.
public struct SecretText: Sendable, Hashable {
    /// The text itself, for the one place that sends it.
    let text: String

    public init(_ text: String) { self.text = text }
}

extension SecretText: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "<secret>" }
    public var debugDescription: String { "<secret>" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
