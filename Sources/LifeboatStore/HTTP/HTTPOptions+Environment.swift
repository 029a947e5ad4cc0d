internal import LifeboatCore

extension HTTPOptions {
    /// What the environment and the process say of all stores behind a network.
    ///
    /// - Throws: `.usage` for a value that is no such number.
    init(_ options: StoreOptions) throws(LifeboatError) {
        self.init()
        ending = Ending(options.cancellation)
        let environment = options.environment
        if let seconds = try Self.seconds("LIFEBOAT_CONNECT_TIMEOUT", environment) {
            deadlines.connect = seconds
        }
        if let seconds = try Self.seconds("LIFEBOAT_STALL_TIMEOUT", environment) {
            deadlines.stall = seconds
        }
        if let seconds = try Self.seconds("LIFEBOAT_REQUEST_TIMEOUT", environment) {
            deadlines.total = seconds
        }
        if let text = Self.value("LIFEBOAT_RETRIES", environment) {
            guard let attempts = Int(text), Self.attempts.contains(attempts) else {
                throw Self.wrong("LIFEBOAT_RETRIES", "how often a request is tried", Self.attempts)
            }
            retries.attempts = attempts
        }
    }

    private static let attempts = 1...1000
    private static let longest = 1...86_400

    private static func value(_ name: String, _ environment: [String: String]) -> String? {
        environment[name].flatMap { $0.isEmpty ? nil : $0 }
    }

    private static func seconds(
        _ name: String, _ environment: [String: String]
    ) throws(LifeboatError) -> Double? {
        guard let text = value(name, environment) else { return nil }
        guard let seconds = Int(text), longest.contains(seconds) else {
            throw wrong(name, "seconds", longest)
        }
        return Double(seconds)
    }

    private static func wrong(
        _ name: String, _ meaning: String, _ range: ClosedRange<Int>
    ) -> LifeboatError {
        LifeboatError(
            .usage, "\(name) is not a number from \(range.lowerBound) to \(range.upperBound)",
            subject: name, advice: "set it to \(meaning), or unset it")
    }
}
