internal import FoundationEssentials
public import LifeboatCore
internal import LifeboatSystem

/// What a store knows of its bucket's object lock.
struct LockState: Sendable {
    /// `nil` when it was not asked yet.
    var isEnabled: Bool?
    var rule: LockRule?
    /// The store was asked, and its clock compared.
    var isReady = false
    /// The store was asked whether it locked what was put.
    var isProven = false
    var hasWarned = false
}

extension S3Store: ObjectLocking {
    /// How much the clocks of host and store may differ, in seconds: a lock that ends earlier than
    /// everybody believes is worth nothing.
    private static let clockTolerance = 900

    public func lockPuts(_ rule: LockRule) { lockState.withLock { $0.rule = rule } }

    /// Until when a put of now is to be locked; `nil` for not at all.
    func lockEndOfPut(_ path: String) throws(LifeboatError) -> UInt64? {
        let state = lockState.withLock { $0 }
        guard let rule = state.rule, !rule.exemptPrefixes.contains(where: path.hasPrefix) else {
            return nil
        }
        if !state.isReady { try prepareLocking() }
        return Clock.milliseconds() + rule.duration
    }

    private func prepareLocking() throws(LifeboatError) {
        let (isEnabled, time) = try askForObjectLock()
        guard isEnabled else { throw withoutLock }
        let now = Int(Clock.milliseconds() / 1000)
        if let time, abs(time - now) > Self.clockTolerance {
            throw LifeboatError(
                .refused,
                "the clocks of this host and of the store differ by \(abs(time - now)) seconds, "
                    + "and objects would be locked for too long or not long enough",
                subject: location, advice: "set this host's clock")
        }
        lockState.withLock { state in
            state.isEnabled = true
            state.isReady = true
        }
    }

    /// Why nothing is put.
    var withoutLock: LifeboatError {
        LifeboatError(
            .refused, "the bucket \(endpoint.location.bucket) has no object lock",
            subject: location,
            advice: "object lock is given to a bucket when it is made: let lifeboat init "
                + "--immutable make a new one, in a store that has it")
    }

    /// The headers that lock an object.
    static func lockHeaders(until: UInt64) -> [(name: String, value: String)] {
        [
            (name: "x-amz-object-lock-mode", value: "COMPLIANCE"),
            (name: "x-amz-object-lock-retain-until-date", value: lockDate(until)),
        ]
    }

    /// Such as `2026-01-02T03:04:05Z`; rounded up, for the store counts seconds.
    static func lockDate(_ milliseconds: UInt64) -> String {
        DateText.second(milliseconds + 999).replacing(" ", with: "T")
    }

    /// Asks the store whether it locked the first object that was put; later ones are believed.
    func proveLock(_ name: ObjectName, until: UInt64) throws(LifeboatError) {
        guard !lockState.withLock({ $0.isProven }) else { return }
        guard let found = try lockEnd(name), found + 1000 >= until else {
            throw LifeboatError(
                .refused, "the store took \(name) and did not lock it as it was told",
                subject: location,
                advice: "its object lock cannot be relied on; use another store")
        }
        lockState.withLock { $0.isProven = true }
    }

    public func lockEnd(_ name: ObjectName) throws(LifeboatError) -> UInt64? {
        guard let first = try firstVersion(name.path) else {
            throw LifeboatError(.missing, "\(name) is not there", subject: name.path)
        }
        return try lockEnd(name.path, first.id)
    }

    private func lockEnd(_ path: String, _ id: String) throws(LifeboatError) -> UInt64? {
        var request = Request(.get, path)
        request.query = [(name: "retention", value: ""), (name: "versionId", value: id)]
        let (response, _) = try send(request)
        // Without a lock there is no such thing.
        if response.status == 404 { return nil }
        if response.status == 400,
            RefusalAnswer(response).code.contains("ObjectLockConfiguration")
        {
            return nil
        }
        guard response.status == 200 else { throw error(response, path) }
        guard let answer = AnswerElement.parse(response.body), answer.name == "Retention",
            // Whoever may do more than others can end the other kind of lock.
            answer["Mode"]?.text == "COMPLIANCE",
            let text = answer["RetainUntilDate"]?.text, let end = InternetTime.seconds(text)
        else { return nil }
        return UInt64(end * 1000)
    }

    public func extendLock(
        _ name: ObjectName, until: UInt64
    ) throws(LifeboatError) -> Bool {
        guard let first = try firstVersion(name.path) else {
            throw LifeboatError(.missing, "\(name) is not there", subject: name.path)
        }
        let text =
            "<Retention xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Mode>COMPLIANCE</Mode>"
            + "<RetainUntilDate>\(Self.lockDate(until))</RetainUntilDate></Retention>"
        let response = try Array(text.utf8).withBytes { bytes throws(LifeboatError) in
            var request = Request(.put, name.path)
            request.query = [
                (name: "retention", value: ""), (name: "versionId", value: first.id),
            ]
            request.headers = [(name: "Content-Type", value: "application/xml")]
            if let md5 = Self.md5([bytes]) {
                request.headers.append((name: "Content-MD5", value: md5))
            }
            request.body = [bytes]
            return try send(request).response
        }
        if (200..<300).contains(response.status) { return true }
        // A store refuses to shorten a lock.
        if let end = try? lockEnd(name.path, first.id), end >= until { return false }
        throw error(response, name.path)
    }

    /// As S3 wants it in a header.
    static func md5(_ pieces: [UnsafeRawBufferPointer]) -> String? {
        MD5Hash.hex(pieces).flatMap { Hex.decode($0) }.map { Data($0).base64EncodedString() }
    }

    public func deleteUnlessLocked(_ name: ObjectName) throws(LifeboatError) -> UInt64? {
        guard try locksObjects() else {
            try deletePlain(name)
            return nil
        }
        forgetVersions(name.path)
        guard let group = try versions(name.path) else { return nil }
        forgetVersions(name.path)
        if let first = group.first, let end = try lockEnd(name.path, first.id),
            end > Clock.milliseconds()
        {
            return end
        }
        // The first one last: as long as it stands, it is what is seen.
        let ids = group.ids.filter { $0 != group.first?.id } + (group.first.map { [$0.id] } ?? [])
        var end: UInt64?
        for id in ids {
            // What somebody put over it may be locked for longer.
            if let locked = try delete(name.path, id) { end = max(end ?? 0, locked) }
        }
        return end
    }

    /// Deletes a version; returns until when it is locked, if it is.
    private func delete(_ path: String, _ id: String) throws(LifeboatError) -> UInt64? {
        var request = Request(.delete, path)
        request.query = [(name: "versionId", value: id)]
        let (response, _) = try send(request)
        if (200..<300).contains(response.status) || response.status == 404 { return nil }
        if response.status == 403 || response.status == 400,
            let end = try? lockEnd(path, id), end + 1000 > Clock.milliseconds()
        {
            return end
        }
        throw error(response, path)
    }

    public func listMeddled(
        _ prefix: String, _ body: (MeddledObject) throws(LifeboatError) -> Void
    ) throws(LifeboatError) {
        guard try locksObjects() else { return }
        try visitVersions(prefix) { group throws(LifeboatError) in
            guard group.isMeddled, let name = objectName(ofKey: group.key) else { return }
            try body(
                MeddledObject(
                    name: name, isDeleted: group.isDeleted, otherVersions: group.others))
        }
    }

    public func undoMeddling(_ name: ObjectName) throws(LifeboatError) -> Bool {
        guard try locksObjects(), let group = try versions(name.path), let first = group.first
        else { return true }
        for id in group.ids {
            // Below stand only copies of the first.
            if id == first.id { break }
            _ = try delete(name.path, id)
        }
        return try versions(name.path)?.isMeddled == false
    }
}
