public import LifeboatCore
import LifeboatStore

extension Operations {
    /// This host's links, by name.
    public static func links(
        _ options: NetworkOptions, stateDirectory: String
    ) throws(LifeboatError) -> [LinkSummary] {
        try LinkControl(options, stateDirectory: stateDirectory).summaries()
    }

    /// Sets rates for a link that hold instead of all that is described, until they are cleared.
    ///
    /// A rate that is `nil` stays as it is. Running processes follow within seconds.
    public static func limitLink(
        _ name: String, upload: TrafficRate?, download: TrafficRate?, _ options: NetworkOptions,
        stateDirectory: String
    ) throws(LifeboatError) -> LinkSummary {
        try LinkControl(options, stateDirectory: stateDirectory)
            .limit(name, upload: upload, download: download)
    }

    /// Forgets the rates that were set for a link.
    public static func clearLinkLimit(
        _ name: String, _ options: NetworkOptions, stateDirectory: String
    ) throws(LifeboatError) -> LinkSummary {
        try LinkControl(options, stateDirectory: stateDirectory).clearLimit(name)
    }
}
