internal import LifeboatCore
internal import LifeboatSystem

/// Does requests over connections that it keeps; safe from many threads.
final class HTTPClient: Sendable {
    let options: HTTPOptions
    // Declared before what uses it: handles go first.
    let share = TransferShare()
    let handles = Guarded<[EasyHandle]>([])
    let gate: ConnectionGate

    init(_ options: HTTPOptions = HTTPOptions()) {
        self.options = options
        gate = ConnectionGate(options.parallel)
    }

    deinit { handles.withLock { $0 = [] } }

    /// The same request may bring another answer soon.
    static func isTransient(_ response: HTTPResponse) -> Bool {
        [408, 429, 500, 502, 503, 504].contains(response.status)
    }

    /// Does a request, again if that is worth it, and gives the last response, whatever its status.
    ///
    /// `prepare` makes the request anew for each attempt, numbered from 1, since signatures hold a
    /// time and tokens expire. `body` is sent piece after piece. The body of a 2xx goes into
    /// `target` if there is one; any other body has at most `limit` bytes. It throws only when no
    /// response came, or one too large. `isAmbiguous`: an attempt before may have taken effect, so
    /// that a 412, or a 404 of a deletion, says nothing.
    func perform(
        subject: String, body: [UnsafeRawBufferPointer] = [],
        target: UnsafeMutableRawBufferPointer? = nil, limit: Int = 1 << 20,
        isWorthRetrying: (HTTPResponse) -> Bool = HTTPClient.isTransient,
        prepare: (_ attempt: Int) throws(LifeboatError) -> HTTPRequest
    ) throws(LifeboatError) -> (response: HTTPResponse, isAmbiguous: Bool) {
        guard options.sourceAddress == nil || options.interface == nil else {
            throw LifeboatError(.usage, "give a source address or an interface, not both")
        }
        let byteCount = body.reduce(target?.count ?? 0) { $0 + $1.count }
        var schedule = RetrySchedule(
            options.retries, allowance: options.deadlines.allowance(byteCount))
        var generator = SystemRandomNumberGenerator()
        var isAmbiguous = false
        var spent = 0.0
        var number = 1
        while true {
            try Self.endInTime(options.ending, subject: subject)
            try options.check?()
            let request = try prepare(number)
            precondition(body.isEmpty || request.method.sendsBody, "a body needs PUT or POST")
            let begin = gate.enter()
            let attempt = attempt(request, body: body, target: target, limit: limit)
            gate.leave(
                begin: begin, byteCount: attempt.byteCount, isCongested: attempt.isCongested)
            spent += attempt.seconds
            if attempt.wasRepeated { isAmbiguous = true }
            var retryAfter: Double?
            if case .success(let response) = attempt.outcome {
                guard isWorthRetrying(response) else { return (response, isAmbiguous) }
                retryAfter = HTTPDate.retryAfter(
                    response, now: Int(Clock.milliseconds() / 1000))
            } else if case .failure(let failure) = attempt.outcome, !failure.isTransient {
                throw failure.error(subject: subject, place: HTTPPlace.of(request.url))
            }
            var delay = schedule.delay(spent: spent, retryAfter: retryAfter, using: &generator)
            if options.ending.isNear { delay = nil }
            switch attempt.outcome {
            case .success(let response):
                guard delay != nil else { return (response, isAmbiguous) }
                if response.status >= 500, !request.method.isSafe { isAmbiguous = true }
            case .failure(let failure):
                guard delay != nil else {
                    throw failure.error(subject: subject, place: HTTPPlace.of(request.url))
                }
                if failure.mayHaveTakenEffect { isAmbiguous = true }
            }
            pause(delay ?? 0)
            spent += delay ?? 0
            number += 1
        }
    }

    /// The longest that a wish to end goes unnoticed between two attempts, in seconds.
    private static let notice = 0.2

    private func pause(_ seconds: Double) {
        let end = Clock.monotonicSeconds() + seconds
        while !options.ending.isNear {
            let left = end - Clock.monotonicSeconds()
            guard left > 0 else { return }
            Threads.sleep(seconds: min(left, Self.notice))
        }
    }

    /// - Throws: `.cancelled` when the process should have ended by now.
    private static func endInTime(_ ending: Ending, subject: String) throws(LifeboatError) {
        let now = Clock.monotonicSeconds()
        if let moment = ending.moment(now: now), now >= moment {
            throw LifeboatError(.cancelled, "interrupted", subject: subject)
        }
    }
}
