internal import LifeboatCore
internal import LifeboatSystem

/// The way of a process to stores over one link, or over none: all connections share it.
final class NetworkRoute: Sendable {
    /// What all connections may send and receive; changes while they do.
    let uploadLimit = TrafficLimit()
    let downloadLimit = TrafficLimit()
    /// The link's name; `nil` where no link carries the stores.
    let link: String?
    let sourceAddress: String?
    let interface: String?
    private let options: NetworkOptions
    private let records: LinkRecords?
    private let trouble = Guarded<String?>(nil)

    /// - `link`: what the file of links says of it now.
    init(_ link: Link?, _ options: NetworkOptions) {
        self.link = link?.name
        self.options = options
        records = options.stateDirectory.map { LinkRecords(stateDirectory: $0) }
        let isChosen = options.sourceAddress != nil || options.interface != nil
        sourceAddress = isChosen ? options.sourceAddress : link?.sourceAddress
        interface = isChosen ? options.interface : link?.interface
    }

    /// Lets the limits of now hold: the lower ones of the link and of the process.
    func apply(_ link: Link?, at moment: WeekMinute) {
        let override = override()
        let upload = override.upload ?? link?.schedule(.upload).rate(at: moment)
        let download = override.download ?? link?.schedule(.download).rate(at: moment)
        Self.set(uploadLimit, options.uploadLimit.lower(upload ?? .unlimited))
        Self.set(downloadLimit, options.downloadLimit.lower(download ?? .unlimited))
    }

    /// Throws `.suspended` while the link is.
    func check() throws(LifeboatError) {
        guard let link, let since = records?.suspendedSince(link) else { return }
        let time = since > 0 ? " since \(DateText.second(since))" : ""
        throw LifeboatError(
            .suspended, "link \(link) is suspended\(time)", subject: link,
            advice: "end that with: lifeboat resume \(link)")
    }

    private func override() -> LinkRecords.Override {
        guard let link, let records else { return LinkRecords.Override() }
        do throws(LifeboatError) {
            let override = try records.override(link)
            trouble.withLock { $0 = nil }
            return override
        } catch {
            let text = error.description
            let isNew = trouble.withLock { trouble in
                defer { trouble = text }
                return trouble != text
            }
            if isNew { options.events.tell(.warning(text)) }
            return LinkRecords.Override()
        }
    }

    private static func set(_ limit: TrafficLimit, _ rate: TrafficRate) {
        if limit.bytesPerSecond != rate.limit { limit.bytesPerSecond = rate.limit }
    }
}
