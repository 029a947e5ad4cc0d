public import LifeboatCore
internal import LifeboatSystem

/// How a bucket with object lock is read: of each name the version that was put first.
///
/// Such a bucket keeps every version, and ignores in part whether a put may replace what is there.
/// So that nobody who can put can change what others read, and nobody who can delete can hide it.
extension S3Store {
    /// As many as a process remembers the first versions of.
    private static let rememberedCount = 200_000
    private static let pageBytes = 16 << 20

    /// Whether the bucket has object lock; asks the store once.
    public func locksObjects() throws(LifeboatError) -> Bool {
        if let known = lockState.withLock({ $0.isEnabled }) { return known }
        // A bucket never loses its object lock, but may get it.
        let isEnabled =
            capabilities.objectLock ? true : try askForObjectLock().isEnabled
        lockState.withLock { $0.isEnabled = isEnabled }
        return isEnabled
    }

    /// Whether the bucket has object lock, and what the store's clock says, in seconds since 1970.
    func askForObjectLock() throws(LifeboatError) -> (isEnabled: Bool, time: Int?) {
        var request = Request(.get)
        request.query = [(name: "object-lock", value: "")]
        let (response, _) = try send(request)
        let time = response.header("Date").flatMap(HTTPDate.seconds)
        guard response.status == 200, let answer = AnswerElement.parse(response.body),
            answer.name == "ObjectLockConfiguration"
        else { return (false, time) }
        return (answer["ObjectLockEnabled"]?.text == "Enabled", time)
    }

    /// The first version of an object; `nil` when there is none.
    func firstVersion(_ path: String) throws(LifeboatError) -> VersionGroup.First? {
        if let known = firstVersions.withLock({ $0[path] }) { return known }
        return try versions(path)?.first
    }

    /// Everything that is there under one name; `nil` if nothing is.
    func versions(_ path: String) throws(LifeboatError) -> VersionGroup? {
        var found: VersionGroup?
        // Other keys may start with this one, and come behind it.
        try visitVersions(path, isAlone: true) { group in
            if group.key == endpoint.key(path) { found = group }
        }
        if let found { note(found, path) }
        return found
    }

    /// Remembers what was found of an object.
    func note(_ group: VersionGroup, _ path: String) {
        if group.isMeddled { warn(path, group) }
        firstVersions.withLock { known in
            if known.count >= Self.rememberedCount { known.removeAll() }
            known[path] = group.first
        }
    }

    func forgetVersions(_ path: String) {
        firstVersions.withLock { $0[path] = nil }
    }

    private func warn(_ path: String, _ group: VersionGroup) {
        let isFirst = lockState.withLock { state in
            defer { state.hasWarned = true }
            return !state.hasWarned
        }
        guard isFirst else { return }
        notice(
            "somebody \(group.isDeleted ? "deleted" : "overwrote") \(path) in the store, and "
                + "perhaps more; what was stored first is still there and is read; see what is "
                + "concerned, and undo it: lifeboat lock status, lifeboat lock restore")
    }

    /// Tells everything that is there under names that start with `path`, name by name.
    ///
    /// `isAlone`: ends behind the first name.
    func visitVersions(
        _ path: String, isAlone: Bool = false,
        _ body: (VersionGroup) throws(LifeboatError) -> Void
    ) throws(LifeboatError) {
        var open: [VersionPage.Entry] = []
        var places: Set<VersionPage.Place> = []
        var place: VersionPage.Place?
        repeat {
            let page = try versionPage(path, place, isSmall: isAlone)
            for entry in page.entries {
                if let key = open.first?.key, key != entry.key {
                    try body(VersionGroup(open))
                    if isAlone { return }
                    open = []
                }
                open.append(entry)
            }
            place = page.next
            if let place, !places.insert(place).inserted {
                throw LifeboatError(
                    .unavailable, "the store's listing of versions repeats itself",
                    subject: location, advice: "try again")
            }
        } while place != nil
        if !open.isEmpty { try body(VersionGroup(open)) }
    }

    private func versionPage(
        _ path: String, _ place: VersionPage.Place?, isSmall: Bool
    ) throws(LifeboatError) -> VersionPage {
        var request = Request(.get)
        request.query = [
            (name: "versions", value: ""), (name: "encoding-type", value: "url"),
            (name: "max-keys", value: String(isSmall ? min(pageCount, 20) : pageCount)),
            (name: "prefix", value: endpoint.key(path)),
        ]
        if let place {
            request.query.append((name: "key-marker", value: place.key))
            if !place.id.isEmpty {
                request.query.append((name: "version-id-marker", value: place.id))
            }
        }
        let (response, _) = try send(request, limit: Self.pageBytes)
        guard response.status == 200 else { throw error(response, nil) }
        guard let page = VersionPage(response.body) else {
            throw LifeboatError(
                .unsupported, "the store's listing of versions cannot be understood",
                subject: location)
        }
        return page
    }

    /// Asks for an object: for its first version, in a bucket with object lock.
    func sendRead(
        _ request: Request, _ path: String, target: UnsafeMutableRawBufferPointer? = nil,
        limit: Int
    ) throws(LifeboatError) -> HTTPResponse {
        guard try locksObjects() else {
            return try send(request, target: target, limit: limit).response
        }
        for isLast in [false, true] {
            guard let first = try firstVersion(path) else { break }
            var request = request
            request.query.append((name: "versionId", value: first.id))
            let response = try send(request, target: target, limit: limit).response
            guard response.status == 404, !isLast else { return response }
            // Its lock has ended, and it was deleted.
            forgetVersions(path)
        }
        throw LifeboatError(.missing, "\(path) is not there", subject: path)
    }
}
