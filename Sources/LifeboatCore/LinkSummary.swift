/// A link as it stands now: what is described, what was decided, and what holds.
public struct LinkSummary: Hashable, Sendable {
    /// The rates of one direction.
    public struct Traffic: Hashable, Sendable {
        /// What holds now.
        public var present: TrafficRate
        /// What holds while no window is open.
        public var plain: TrafficRate
        /// What a command set, instead of all that; `nil` where none did.
        public var override: TrafficRate?

        public init(present: TrafficRate, plain: TrafficRate, override: TrafficRate? = nil) {
            self.present = present
            self.plain = plain
            self.override = override
        }
    }

    public var name: String
    /// Hosts, and beginnings of locations.
    public var carries: [String]
    public var upload: Traffic
    public var download: Traffic
    public var windows: [String] = []
    /// When another rate will hold, such as `mon 18:00` in local time; `nil` for never.
    public var nextChange: String?
    public var sourceAddress: String?
    public var interface: String?
    /// Where backups go while it cannot be used; `nil` for nowhere.
    public var spool: SpoolSettings?
    /// In milliseconds since 1970; `nil` if it is not suspended.
    public var suspendedSince: UInt64?

    public init(name: String, carries: [String], upload: Traffic, download: Traffic) {
        self.name = name
        self.carries = carries
        self.upload = upload
        self.download = download
    }
}
