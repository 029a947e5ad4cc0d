internal import FoundationEssentials
public import LifeboatCore
internal import LifeboatSystem

/// What commands decided about links, in small files of the state directory.
///
/// Running processes look at them; each file is replaced as a whole.
public struct LinkRecords: Sendable {
    /// Rates that hold instead of all that the file of links says; `nil` where it goes on to.
    public struct Override: Hashable, Sendable {
        public var upload: TrafficRate?
        public var download: TrafficRate?

        public init(upload: TrafficRate? = nil, download: TrafficRate? = nil) {
            self.upload = upload
            self.download = download
        }
    }

    private struct LimitFile: Codable {
        var upload: String?
        var download: String?
    }

    private struct SuspensionFile: Codable {
        /// Milliseconds since 1970.
        var since: UInt64
    }

    private static let limit = 1 << 16
    private let root: String

    /// - `stateDirectory`: where this host remembers things.
    public init(stateDirectory: String) { root = stateDirectory }

    private var limits: String { root + "/links" }
    private var suspensions: String { root + "/suspended/link" }
    private func limitFile(_ name: String) -> String { "\(limits)/\(name).json" }
    func suspensionFile(_ name: String) -> String { "\(suspensions)/\(name).json" }

    /// Since when a link is suspended, in milliseconds since 1970; `nil` if it is not.
    ///
    /// A file that cannot be read suspends as well, since an unknown time.
    public func suspendedSince(_ name: String) -> UInt64? {
        let path = suspensionFile(name)
        guard Files.exists(path) else { return nil }
        guard let bytes = try? Files.readWhole(path, limit: Self.limit) else {
            // It may have been removed just now.
            return Files.exists(path) ? 0 : nil
        }
        return (try? JSONDecoder().decode(SuspensionFile.self, from: Data(bytes)))?.since ?? 0
    }

    /// Suspends a link; `false` if it was suspended before, and that stands.
    public func suspend(_ name: String) throws(LifeboatError) -> Bool {
        try Files.makeDirectories(suspensions)
        do throws(LifeboatError) {
            try write(
                suspensionFile(name), SuspensionFile(since: Clock.milliseconds()), replace: false)
            return true
        } catch {
            guard error.code == .exists else { throw error }
            return false
        }
    }

    /// Ends the suspension of a link; `false` if it was not suspended.
    public func resume(_ name: String) throws(LifeboatError) -> Bool {
        try removeIfThere(suspensionFile(name))
    }

    /// The rates that were set for a link by command.
    public func override(_ name: String) throws(LifeboatError) -> Override {
        let path = limitFile(name)
        guard Files.exists(path) else { return Override() }
        let bytes = try Files.readWhole(path, limit: Self.limit)
        guard let file = try? JSONDecoder().decode(LimitFile.self, from: Data(bytes)),
            let upload = Self.rate(file.upload), let download = Self.rate(file.download)
        else {
            throw LifeboatError(
                .damaged, "\(path) holds no limits of a link", subject: path,
                advice: "run: lifeboat link limit \(name) --clear")
        }
        return Override(upload: upload, download: download)
    }

    /// Sets rates for a link; those that are not given stay as they are.
    public func limit(_ name: String, _ change: Override) throws(LifeboatError) {
        var override = try override(name)
        override.upload = change.upload ?? override.upload
        override.download = change.download ?? override.download
        try Files.makeDirectories(limits)
        try write(
            limitFile(name),
            LimitFile(
                upload: override.upload?.description, download: override.download?.description),
            replace: true)
    }

    /// Forgets the rates that were set for a link; `false` if there were none.
    public func clearLimit(_ name: String) throws(LifeboatError) -> Bool {
        try removeIfThere(limitFile(name))
    }

    /// Changes whenever something was decided about a link.
    func stamps(_ name: String) -> [FileStamp?] {
        [FileStamp(limitFile(name)), FileStamp(suspensionFile(name))]
    }

    /// The outer `nil` for a text that is no rate.
    private static func rate(_ text: String?) -> TrafficRate?? {
        guard let text else { return .some(nil) }
        return TrafficRate(text).map { .some($0) }
    }

    private func write(
        _ path: String, _ value: some Encodable, replace: Bool
    ) throws(LifeboatError) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        guard let data = try? encoder.encode(value) else {
            throw LifeboatError(.internalFault, "a record cannot be written", subject: path)
        }
        // Others than the one who wrote it may be held by it.
        try Files.writeAtomically(path, Array(data) + [10], mode: 0o644, replace: replace)
    }

    private func removeIfThere(_ path: String) throws(LifeboatError) -> Bool {
        guard Files.exists(path) else { return false }
        try Files.remove(path)
        try Files.syncDirectory(Files.parent(of: path))
        return true
    }
}
