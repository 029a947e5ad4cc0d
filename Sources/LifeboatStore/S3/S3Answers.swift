internal import LifeboatCore

/// One page of a listing.
struct ListingPage: Equatable {
    var entries: [Entry] = []
    /// What asks for the next page; `nil` on the last one.
    var continuation: String?

    struct Entry: Equatable {
        var key: String
        var size: UInt64
    }

    /// `nil` for what is no listing.
    init?(_ body: [UInt8]) {
        guard let root = AnswerElement.parse(body), root.name == "ListBucketResult" else {
            return nil
        }
        let isEncoded = root["EncodingType"]?.text == "url"
        for content in root.all("Contents") {
            guard let text = content["Key"]?.text, let size = content["Size"],
                let size = UInt64(size.text)
            else { return nil }
            guard let key = isEncoded ? Self.decode(text) : text else { return nil }
            entries.append(Entry(key: key, size: size))
        }
        guard root["IsTruncated"]?.text == "true" else { return }
        // A page that is not the last and leads nowhere would end a listing too early.
        guard let token = root["NextContinuationToken"]?.text, !token.isEmpty else { return nil }
        continuation = token
    }

    /// Form encoding, in which a space may be a plus sign.
    static func decode(_ text: String) -> String? {
        PercentText.decode(text.replacing("+", with: " "))
    }
}

/// The answer to a deletion of many objects.
struct DeletionAnswer: Equatable {
    struct Failure: Equatable {
        var key: String
        var code: String
        var message: String
    }

    var failures: [Failure] = []

    /// `nil` for what is none.
    init?(_ body: [UInt8]) {
        guard let root = AnswerElement.parse(body), root.name == "DeleteResult" else { return nil }
        failures = root.all("Error").map {
            Failure(
                key: $0["Key"]?.text ?? "", code: $0["Code"]?.text ?? "",
                message: $0["Message"]?.text ?? "")
        }.filter { $0.code != "NoSuchKey" }
    }

    /// The question: an answer only about what fails.
    static func question(_ keys: [String]) -> [UInt8] {
        let objects = keys.map { "<Object><Key>\(escaped($0))</Key></Object>" }.joined()
        return Array(
            ("<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
                + "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
                + "<Quiet>true</Quiet>\(objects)</Delete>").utf8)
    }

    private static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;")
            .replacing(">", with: "&gt;")
    }
}

/// What a store says of a refusal.
struct RefusalAnswer: Equatable {
    var code = ""
    var message = ""
    /// Where the bucket is, when it was asked for elsewhere.
    var region: String?

    init(code: String, message: String) {
        self.code = code
        self.message = message
    }

    init(_ response: HTTPResponse) {
        region = response.header("x-amz-bucket-region")
        guard let root = AnswerElement.parse(response.body), root.name == "Error" else { return }
        code = root["Code"]?.text ?? ""
        message = root["Message"]?.text ?? ""
        if let text = root["Region"]?.text, !text.isEmpty { region = text }
    }
}
