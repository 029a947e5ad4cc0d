internal import LifeboatCore
internal import LifeboatSystem

/// Where objects are put that only try what a store does.
///
/// Its name tells when that was, so that what a probe left that died can be found and deleted.
enum ProbeFolder {
    /// No object of a repository is here.
    static let prefix = "probe/"

    /// A new one, for one probe; ends with a slash.
    static func fresh() -> String {
        "\(prefix)\(Clock.milliseconds())-\(Identifier.random().short)/"
    }

    /// How long ago, in milliseconds, the probe began that an object is of.
    static func age(of name: ObjectName) -> UInt64? {
        let text = name.path.dropFirst(prefix.count).prefix { $0 != "-" }
        guard name.path.hasPrefix(prefix), let time = UInt64(text) else { return nil }
        let now = Clock.milliseconds()
        return now > time ? now - time : 0
    }
}
