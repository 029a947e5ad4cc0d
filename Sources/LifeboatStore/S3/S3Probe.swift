internal import LifeboatCore
internal import LifeboatSystem

/// Finds out what a store does, with objects of its own that it deletes afterwards.
///
/// A good answer proves little: services ignore what they do not know. So each thing is tried, and
/// what came of it is looked at.
struct S3Probe {
    let store: S3Store
    private let folder: String

    private static let racers = 4
    private static let rounds = 6

    init(store: S3Store) {
        self.store = store
        folder = ProbeFolder.fresh()
    }

    func run() throws(LifeboatError) -> StoreCapabilities {
        var capabilities = StoreCapabilities(
            conditionalPut: false, maximumObjectBytes: S3Store.maximumObjectBytes)
        defer { clean() }
        for name in Self.names { try putPlain(name) }
        capabilities.payloadCheck = try payloadCheck()
        capabilities.conditionalPut = try hasConditionalPut()
        capabilities.rangeReads = try hasRangeReads()
        capabilities.orderedListing = try hasOrderedListing()
        capabilities.versioning = try hasVersioning()
        capabilities.objectLock = try hasObjectLock()
        capabilities.deletes = try canDelete()
        return capabilities
    }

    /// In an order that is neither that of the alphabet nor its reverse; and `d-e/x` comes before
    /// `d/x`, but not where folders are gone through.
    private static let names = ["b", "c", "d/x", "d-e/x", "a"]

    private static let content: [UInt8] = Array("probe".utf8)

    private func put(
        _ name: String, headers: [(name: String, value: String)] = [], digest: Digest? = nil
    ) throws(LifeboatError) -> (response: HTTPResponse, isAmbiguous: Bool) {
        try Self.content.withBytes { bytes throws(LifeboatError) in
            var request = S3Store.Request(.put, folder + name)
            request.body = [bytes]
            request.headers = headers
            request.digest = digest
            return try store.send(request)
        }
    }

    private func putPlain(_ name: String) throws(LifeboatError) {
        let (response, _) = try put(name)
        guard (200..<300).contains(response.status) else {
            throw store.error(response, folder + name)
        }
    }

    // MARK: integrity

    private func payloadCheck() throws(LifeboatError) -> StoreCapabilities.PayloadCheck {
        let other = SignatureHash.digest([1])
        let hashed = try put("hash", digest: other).response
        if hashed.status == 400 { return .sha256 }
        guard (200..<300).contains(hashed.status) else { throw store.error(hashed, nil) }
        // The MD5 of nothing.
        let summed = try put(
            "sum", headers: [(name: "Content-MD5", value: "1B2M2Y8AsgTpgAmY7PhCfg==")]
        ).response
        return summed.status == 400 ? .md5 : .none
    }

    // MARK: conditions

    private static let condition = [(name: "If-None-Match", value: "*")]

    /// Whether a put can be made to depend on the name being free, and whether that holds in a race.
    private func hasConditionalPut() throws(LifeboatError) -> Bool {
        guard try isPutOnce() else { return false }
        for round in 0..<Self.rounds where try winners(round) > 1 { return false }
        return true
    }

    /// Whether a first put is taken and a second one refused.
    private func isPutOnce() throws(LifeboatError) -> Bool {
        let token = Identifier.random().hex
        let headers = Self.condition + [(name: S3Store.tokenHeader, value: token)]
        let (first, _) = try put("once", headers: headers)
        switch first.status {
        case 200..<300: break
        case 409, 412:
            // Delivered twice, or done again after a lost reply: then it refused itself.
            guard try store.look(folder + "once")?.token == token else { return false }
        default:
            let refusal = store.error(first, folder + "once")
            // What it does not know it may refuse in many ways; without rights it is another thing.
            guard refusal.code != .unavailable, first.status != 403 else { throw refusal }
            return false
        }
        return try put("once", headers: Self.condition).response.status == 412
    }

    /// How many of some writers are told that they won: where replies are lost, it may be none.
    private func winners(_ round: Int) throws(LifeboatError) -> Int {
        let outcomes = Guarded<[Result<Bool, LifeboatError>]>([])
        let probe = self
        Threads.run(count: Self.racers, name: "probe") { _ in
            var outcome: Result<Bool, LifeboatError>
            do throws(LifeboatError) {
                let (response, _) = try probe.put("race-\(round)", headers: Self.condition)
                outcome = .success((200..<300).contains(response.status))
            } catch {
                outcome = .failure(error)
            }
            outcomes.withLock { $0.append(outcome) }
        }
        var winners = 0
        for outcome in outcomes.withLock({ $0 }) where try outcome.get() { winners += 1 }
        return winners
    }

    // MARK: reading

    private func hasRangeReads() throws(LifeboatError) -> Bool {
        var request = S3Store.Request(.get, folder + "a")
        request.headers = [(name: "Range", value: "bytes=1-2")]
        let (response, _) = try store.send(request)
        return [200, 206].contains(response.status) && response.header("Content-Range") != nil
            && response.body == Array(Self.content[1...2])
    }

    private func hasOrderedListing() throws(LifeboatError) -> Bool {
        var request = S3Store.Request(.get)
        request.query = [
            (name: "list-type", value: "2"),
            (name: "prefix", value: store.endpoint.key(folder)),
        ]
        let (response, _) = try store.send(request)
        guard response.status == 200, let page = ListingPage(response.body) else { return false }
        let keys = page.entries.map(\.key)
        return keys.count >= Self.names.count && keys == keys.sorted()
    }

    // MARK: versions and locks

    private func hasVersioning() throws(LifeboatError) -> Bool {
        guard let answer = try ask("versioning"), answer.name == "VersioningConfiguration" else {
            return false
        }
        return answer["Status"]?.text == "Enabled"
    }

    private func hasObjectLock() throws(LifeboatError) -> Bool {
        guard let answer = try ask("object-lock"), answer.name == "ObjectLockConfiguration" else {
            return false
        }
        return answer["ObjectLockEnabled"]?.text == "Enabled"
    }

    /// What a store says of the bucket; `nil` where it does not know the question.
    private func ask(_ question: String) throws(LifeboatError) -> AnswerElement? {
        var request = S3Store.Request(.get)
        request.query = [(name: question, value: "")]
        let (response, _) = try store.send(request)
        return response.status == 200 ? AnswerElement.parse(response.body) : nil
    }

    // MARK: deleting

    private func canDelete() throws(LifeboatError) -> Bool {
        do throws(LifeboatError) {
            try store.delete(ObjectName(folder + "c"))
        } catch {
            guard error.code == .denied else { throw error }
            return false
        }
        return try store.look(folder + "c") == nil
    }

    private func clean() {
        let names =
            Self.names + ["hash", "sum", "once"] + (0..<Self.rounds).map { "race-\($0)" }
        for name in names { try? store.delete(ObjectName(folder + name)) }
    }
}
