public import LifeboatCore

/// What the location of a repository means.
///
/// A text that begins with no known scheme is the path of a directory; one that would, and is meant
/// as a path, gets `./` in front.
public enum StoreLocation: Sendable, Hashable {
    /// The path of a directory.
    case directory(String)
    /// A bucket of an S3 store, or a part of one.
    case s3(S3Location)
    /// A container of an OpenStack Swift store, or a part of one.
    case swift(SwiftLocation)

    /// Reads a location.
    /// - Throws: `.usage` when it is none; the message never repeats what may be a secret.
    public init(_ text: String) throws(LifeboatError) {
        if S3Location.isPlausible(text) {
            self = .s3(try S3Location(text))
        } else if SwiftLocation.isPlausible(text) {
            self = .swift(try SwiftLocation(text))
        } else {
            try Self.refuseSchemes(text)
            self = .directory(text)
        }
    }

    /// What kind of store it is: `directory`, `s3` or `swift`.
    public var kind: String {
        switch self {
        case .directory: "directory"
        case .s3: "s3"
        case .swift: "swift"
        }
    }

    /// Addresses that other programs understand would make odd directories.
    private static func refuseSchemes(_ text: String) throws(LifeboatError) {
        guard !text.isEmpty else {
            throw LifeboatError(.usage, "the location of the repository is empty")
        }
        guard let mark = text.firstRange(of: "://") else { return }
        let scheme = text[..<mark.lowerBound]
        guard scheme.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "+") }) else {
            return
        }
        throw LifeboatError(
            .usage, "\(scheme):// begins no location of a repository",
            advice: "write a directory's path, s3:https://HOST/BUCKET/PREFIX or swift:CONTAINER")
    }
}
