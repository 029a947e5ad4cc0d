public import LifeboatCore
import LifeboatStore

/// What can be suspended and resumed: `[KIND:]NAME`.
public struct Suspendable: Hashable, Sendable {
    /// The kinds of things.
    public enum Kind: String, Hashable, Sendable, CaseIterable {
        case link
    }

    public let kind: Kind
    public let name: String

    /// Reads a name, of a link where no kind is given.
    /// - Throws: `.usage` for a kind that is not known, or no name.
    public init(_ text: String) throws(LifeboatError) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        name = String(parts[parts.count - 1])
        if parts.count == 2 {
            guard let kind = Kind(rawValue: String(parts[0])) else {
                let known = Kind.allCases.map(\.rawValue).joined(separator: ", ")
                throw LifeboatError(
                    .usage, "\(parts[0]) is no kind of thing that can be suspended", subject: text,
                    advice: "known kinds: \(known)")
            }
            self.kind = kind
        } else {
            kind = .link
        }
        guard !name.isEmpty else {
            throw LifeboatError(
                .usage, "the name of a \(kind.rawValue) is missing", subject: text,
                advice: "write \(kind.rawValue):NAME or NAME")
        }
    }
}

/// What came of suspending or resuming something.
public struct SuspensionResult: Hashable, Sendable {
    public var target: Suspendable
    /// In milliseconds since 1970; `nil` if it is not suspended now.
    public var suspendedSince: UInt64?
    /// Whether it was otherwise before.
    public var isChanged: Bool
    /// The spool of a link that may be used again, and what waits there; `nil` without one.
    public var spool: SpoolSummary?
}

extension Operations {
    /// Suspends something: what would use it ends, until it is resumed.
    public static func suspend(
        _ target: Suspendable, _ options: NetworkOptions, stateDirectory: String
    ) throws(LifeboatError) -> SuspensionResult {
        switch target.kind {
        case .link:
            let result = try LinkControl(options, stateDirectory: stateDirectory)
                .suspend(target.name)
            return SuspensionResult(
                target: target, suspendedSince: result.since, isChanged: result.isChanged)
        }
    }

    /// Ends a suspension.
    public static func resume(
        _ target: Suspendable, _ options: NetworkOptions, stateDirectory: String
    ) throws(LifeboatError) -> SuspensionResult {
        switch target.kind {
        case .link:
            let control = try LinkControl(options, stateDirectory: stateDirectory)
            let isChanged = try control.resume(target.name)
            var result = SuspensionResult(
                target: target, suspendedSince: nil, isChanged: isChanged)
            let link = try control.summaries().first { $0.name == target.name }
            // That is no reason not to resume it.
            result.spool = link?.spool.flatMap { try? spooledPoints($0) }
            return result
        }
    }
}
