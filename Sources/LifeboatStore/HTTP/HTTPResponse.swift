/// What a server answered.
struct HTTPResponse: Sendable {
    let status: Int
    /// Empty if it went into a target.
    let body: [UInt8]
    /// Bytes of the body, wherever they went.
    let receivedCount: Int
    private let headers: [(name: String, value: String)]

    init(
        status: Int, headers: [(name: String, value: String)] = [], body: [UInt8] = [],
        receivedCount: Int? = nil
    ) {
        self.status = status
        self.headers = headers
        self.body = body
        self.receivedCount = receivedCount ?? body.count
    }

    /// The last header of a name, whatever the case of its letters.
    func header(_ name: String) -> String? {
        let wanted = name.lowercased()
        return headers.last { $0.name.lowercased() == wanted }?.value
    }
}
