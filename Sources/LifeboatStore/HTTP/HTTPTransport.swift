internal import LifeboatCore

/// What does a store's requests: the HTTP client, or a test's own server.
protocol HTTPTransport: Sendable {
    /// As `HTTPClient.perform`.
    func perform(
        subject: String, body: [UnsafeRawBufferPointer], target: UnsafeMutableRawBufferPointer?,
        limit: Int, isWorthRetrying: (HTTPResponse) -> Bool,
        prepare: (_ attempt: Int) throws(LifeboatError) -> HTTPRequest
    ) throws(LifeboatError) -> (response: HTTPResponse, isAmbiguous: Bool)
}

extension HTTPClient: HTTPTransport {}
