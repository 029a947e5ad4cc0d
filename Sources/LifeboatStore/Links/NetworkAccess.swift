public import LifeboatCore
internal import LifeboatSystem

/// What a process may do on the network: its limits and addresses, and the links of its host.
///
/// One for a process: connections that are opened with it share its limits. The file of links, what
/// commands decided about links, and the hours of windows are looked at while it lives.
public final class NetworkAccess: Sendable {
    private let options: NetworkOptions
    private let period: Double
    private let now: @Sendable () -> WeekMinute
    private let state = Guarded(State())

    private struct State: Sendable {
        var file: LinkFile?
        var routes: [NetworkRoute] = []
        var rereadCount = 0
        /// By location, the spools of the links that carry stores.
        var spools: [String: SpoolSettings] = [:]
    }

    /// Seconds between looks at files and clock.
    private static let standardPeriod = 1.0

    /// Nothing is read before a store is opened.
    public convenience init(_ options: NetworkOptions = NetworkOptions()) {
        self.init(options, period: Self.standardPeriod) { WeekMinute(local: Clock.milliseconds()) }
    }

    init(
        _ options: NetworkOptions, period: Double, now: @escaping @Sendable () -> WeekMinute
    ) {
        self.options = options
        self.period = period
        self.now = now
    }

    /// The way to a store.
    /// - Throws: `.usage` for a file of links with a fault, `.suspended` for a suspended link.
    func route(to target: LinkTarget) throws(LifeboatError) -> NetworkRoute {
        guard options.sourceAddress == nil || options.interface == nil else {
            throw LifeboatError(.usage, "give a source address or an interface, not both")
        }
        let route = try state.withLock { state throws(LifeboatError) in
            let file: LinkFile
            if let known = state.file {
                file = known
            } else {
                file = try LinkFile(options)
                state.file = file
                state.rereadCount = options.rereading.count
            }
            let link = file.book.link(to: target)
            state.spools[target.location] = link?.spool
            if let known = state.routes.first(where: { $0.link == link?.name }) { return known }
            let route = NetworkRoute(link, options)
            route.apply(link, at: now())
            // Without a link nothing can change.
            if route.link != nil, !state.routes.contains(where: { $0.link != nil }) { watch() }
            state.routes.append(route)
            return route
        }
        try route.check()
        return route
    }

    /// Where backups go while the link to a store cannot be used; `nil` for nowhere, or when the
    /// store was never opened.
    public func spool(for location: StoreLocation) -> SpoolSettings? {
        switch location {
        case .directory: nil
        case .s3(let location): state.withLock { $0.spools[location.description] }
        case .swift(let location): state.withLock { $0.spools[location.description] }
        }
    }

    /// Throws `.suspended` while the route's link is.
    func check(_ route: NetworkRoute) throws(LifeboatError) { try route.check() }

    /// Looks at files and clock, and lets the limits of now hold.
    func refresh() {
        state.withLock { state in
            let count = options.rereading.count
            do throws(LifeboatError) {
                try state.file?.refresh(must: count != state.rereadCount)
            } catch {
                options.events.tell(.warning(error.description))
            }
            state.rereadCount = count
            let moment = now()
            for route in state.routes {
                route.apply(route.link.flatMap { state.file?.book[$0] }, at: moment)
            }
        }
    }

    private func watch() {
        let period = period
        _ = Threads.start(name: "links") { [weak self] in
            while true {
                Threads.sleep(seconds: period)
                guard let self else { return }
                self.refresh()
            }
        }
    }
}

extension StoreOptions {
    /// How a client of a store connects.
    func http(location: String, authorities: [String]) throws(LifeboatError) -> HTTPOptions {
        var http = try HTTPOptions(self)
        guard let network else { return http }
        let route = try network.route(
            to: LinkTarget(location: location, authorities: authorities))
        http.uploadLimit = route.uploadLimit
        http.downloadLimit = route.downloadLimit
        http.sourceAddress = route.sourceAddress
        http.interface = route.interface
        if route.link != nil {
            // It also keeps the access alive, which looks at files and clock.
            http.check = { () throws(LifeboatError) in try network.check(route) }
        }
        return http
    }
}
