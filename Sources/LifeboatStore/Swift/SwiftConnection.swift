internal import LifeboatCore

/// The way to one account of an object store: requests with a token that is good.
final class SwiftConnection: Sendable {
    private let transport: any HTTPTransport
    private let session: SwiftSession

    /// Something in the account.
    struct Resource {
        /// Percent-encoded, beginning with a slash; empty for the account.
        var path: String
        var query: [(name: String, value: String?)] = []

        /// What follows the account's address.
        var text: String {
            if query.isEmpty { return path }
            let pairs = query.map { name, value in
                name + (value.map { "=" + PercentText.encode($0) } ?? "")
            }
            return path + "?" + pairs.joined(separator: "&")
        }
    }

    /// Ceph's gateway may call a token forbidden that has ended; but what is forbidden with a fresh
    /// token stays so.
    private static let freshSeconds = 60.0

    init(transport: any HTTPTransport, session: SwiftSession) {
        self.transport = transport
        self.session = session
    }

    /// Does a request; with a new token if the first one is refused.
    func send(
        _ method: HTTPMethod, _ resource: Resource, subject: String,
        headers: [(name: String, value: String)] = [], body: [UnsafeRawBufferPointer] = [],
        target: UnsafeMutableRawBufferPointer? = nil, limit: Int = 1 << 20,
        isWorthRetrying: (HTTPResponse) -> Bool = HTTPClient.isTransient
    ) throws(LifeboatError) -> (response: HTTPResponse, isAmbiguous: Bool) {
        var isAmbiguous = false
        var refusals = 0
        while true {
            var used: SwiftToken?
            let result = try transport.perform(
                subject: subject, body: body, target: target, limit: limit,
                isWorthRetrying: isWorthRetrying
            ) { _ throws(LifeboatError) in
                let token = try session.token()
                used = token
                return HTTPRequest(
                    method, token.grant.storageURL + resource.text,
                    headers: headers + [("X-Auth-Token", token.grant.token.text)])
            }
            isAmbiguous = isAmbiguous || result.isAmbiguous
            guard refusals == 0, let used, isRefused(result.response, used) else {
                return (result.response, isAmbiguous)
            }
            refusals += 1
            _ = try session.token(insteadOf: used)
        }
    }

    /// What the server tells everybody of itself; `nil` where it does not.
    func information() throws(LifeboatError) -> SwiftInformation? {
        let token = try session.token()
        guard let address = SwiftInformation.address(storageURL: token.grant.storageURL) else {
            return nil
        }
        let response = try transport.perform(
            subject: "server information", body: [], target: nil, limit: 1 << 20,
            isWorthRetrying: HTTPClient.isTransient
        ) { _ in HTTPRequest(.get, address) }.response
        return response.status == 200 ? SwiftInformation(response.body) : nil
    }

    private func isRefused(_ response: HTTPResponse, _ token: SwiftToken) -> Bool {
        switch response.status {
        case 401: true
        case 403: session.age(of: token) > Self.freshSeconds && !SwiftRefusal.isFull(response)
        default: false
        }
    }
}
