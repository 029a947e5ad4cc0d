public import LifeboatCore
internal import LifeboatSystem

/// What people see and decide of this host's links.
public struct LinkControl: Sendable {
    private let book: LinkBook
    private let path: String
    private let records: LinkRecords
    private let now: WeekMinute

    /// Reads the file of links.
    /// - Throws: `.usage` for a fault in it, `.missing` if it is needed and not there.
    public init(
        _ options: NetworkOptions, stateDirectory: String
    ) throws(LifeboatError) {
        try self.init(
            options, stateDirectory: stateDirectory, now: WeekMinute(local: Clock.milliseconds()))
    }

    init(
        _ options: NetworkOptions, stateDirectory: String, now: WeekMinute
    ) throws(LifeboatError) {
        let file = try LinkFile(options)
        book = file.book
        path = file.path ?? options.linkFiles.last ?? "the file of links"
        records = LinkRecords(stateDirectory: stateDirectory)
        self.now = now
    }

    /// All links, by name.
    public func summaries() throws(LifeboatError) -> [LinkSummary] {
        var summaries: [LinkSummary] = []
        for link in book.links { summaries.append(try summary(link)) }
        return summaries
    }

    /// Sets rates for a link that hold instead of what the file says, until they are cleared.
    public func limit(
        _ name: String, upload: TrafficRate?, download: TrafficRate?
    ) throws(LifeboatError) -> LinkSummary {
        let link = try find(name)
        try records.limit(name, .init(upload: upload, download: download))
        return try summary(link)
    }

    /// Lets hold what the file says.
    public func clearLimit(_ name: String) throws(LifeboatError) -> LinkSummary {
        let link = try find(name)
        _ = try records.clearLimit(name)
        return try summary(link)
    }

    /// Suspends a link; tells since when, and whether it was not before.
    public func suspend(
        _ name: String
    ) throws(LifeboatError) -> (since: UInt64?, isChanged: Bool) {
        _ = try find(name)
        let isChanged = try records.suspend(name)
        return (records.suspendedSince(name), isChanged)
    }

    /// Ends a suspension; `false` if there was none.
    ///
    /// A link that is described no more can still be resumed.
    public func resume(_ name: String) throws(LifeboatError) -> Bool {
        if !Link.isName(name) || records.suspendedSince(name) == nil { _ = try find(name) }
        return try records.resume(name)
    }

    private func find(_ name: String) throws(LifeboatError) -> Link {
        if let link = book[name] { return link }
        let names = book.links.map(\.name).joined(separator: ", ")
        throw LifeboatError(
            .missing, "there is no link \(name)", subject: name,
            advice: names.isEmpty
                ? "describe it in \(path)" : "\(path) describes \(names)")
    }

    private func summary(_ link: Link) throws(LifeboatError) -> LinkSummary {
        let override = try records.override(link.name)
        let upload = link.schedule(.upload)
        let download = link.schedule(.download)
        var summary = LinkSummary(
            name: link.name, carries: link.carries.map(\.description),
            upload: .init(
                present: override.upload ?? upload.rate(at: now), plain: link.upload,
                override: override.upload),
            download: .init(
                present: override.download ?? download.rate(at: now), plain: link.download,
                override: override.download))
        summary.windows = link.windows.map(\.description)
        let changes = [
            override.upload == nil ? upload.minutesUntilChange(after: now) : nil,
            override.download == nil ? download.minutesUntilChange(after: now) : nil,
        ].compactMap(\.self)
        summary.nextChange = changes.min().map { WeekMinute(now.number + $0).description }
        summary.sourceAddress = link.sourceAddress
        summary.interface = link.interface
        summary.spool = link.spool
        summary.suspendedSince = records.suspendedSince(link.name)
        return summary
    }
}
