import LifeboatCore
import Testing

@testable import LifeboatStore

@Suite struct S3AnswersTests {
    private static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    @Test func `a page of a listing is read`() throws {
        let page = try #require(
            ListingPage(
                Self.bytes(
                    """
                    <?xml version="1.0" encoding="UTF-8"?>
                    <ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
                      <EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>
                      <NextContinuationToken>a&amp;b==</NextContinuationToken>
                      <Contents><Key>p%2Fa+b%C3%A9</Key><Size>12</Size><ETag>&quot;x&quot;</ETag>
                        <Owner><ID>o</ID></Owner></Contents>
                      <Contents><Key>p/c</Key><Size>0</Size></Contents>
                    </ListBucketResult>
                    """)))
        #expect(
            page.entries == [.init(key: "p/a bé", size: 12), .init(key: "p/c", size: 0)])
        #expect(page.continuation == "a&b==")
    }

    @Test(arguments: [
        "", "not XML", "<html><body>sign in</body></html>",
        "<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>a</Key><Size>-1</Size></Contents></ListBucketResult>",
        "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
        "<ListBucketResult><Contents><Key>a</Key><Size>1</Size></Contents>",
    ]) func `what is no listing is none`(text: String) {
        #expect(ListingPage(Self.bytes(text)) == nil)
    }

    @Test func `deletions tell what failed`() throws {
        let answer = try #require(
            DeletionAnswer(
                Self.bytes(
                    """
                    <DeleteResult><Deleted><Key>a</Key></Deleted>
                    <Error><Key>b</Key><Code>AccessDenied</Code><Message>no</Message></Error>
                    <Error><Key>c</Key><Code>NoSuchKey</Code></Error></DeleteResult>
                    """)))
        #expect(answer.failures == [.init(key: "b", code: "AccessDenied", message: "no")])
        #expect(DeletionAnswer(Self.bytes("<Error><Code>x</Code></Error>")) == nil)
        let question = try #require(AnswerElement.parse(DeletionAnswer.question(["a&<b>", "c"])))
        #expect(question.all("Object").map { $0["Key"]?.text } == ["a&<b>", "c"])
    }

    private static let hostile = [
        "<!DOCTYPE a [<!ENTITY b \"c\">]><Error><Code>&b;</Code></Error>",
        "<?xml version=\"1.0\"?><!DOCTYPE a SYSTEM \"file:///etc/passwd\"><Error/>",
        "<Error><Code>&b;</Code></Error>",
        "<?xml version=\"1.0\" encoding=\"UTF-7\"?><Error/>",
        "<?xml version=\"1.0\" encoding=\"UTF-16\"?><Error/>",
        String(repeating: "<a>", count: 100_000) + String(repeating: "</a>", count: 100_000),
        "<a>" + String(repeating: "<b/>", count: 60_000) + "</a>", "<a></b>", "<a", "<a/><b/>",
        "<a>\u{0}</a>",
    ]

    @Test(arguments: hostile.indices) func `hostile answers are refused`(index: Int) {
        #expect(AnswerElement.parse(Self.bytes(Self.hostile[index])) == nil)
    }

    @Test func `bytes that are no UTF-8 are refused`() {
        #expect(AnswerElement.parse(Self.bytes("<a>") + [0xFF] + Self.bytes("</a>")) == nil)
        #expect(AnswerElement.parse([0xEF, 0xBB, 0xBF] + Self.bytes("<a>b</a>"))?.text == "b")
        #expect(AnswerElement.parse(Self.bytes("<a><!-- - --><![CDATA[<b>]]></a>"))?.text == "<b>")
    }

    @Test(
        arguments: [
            ("bytes 0-9/100", 0, 9, 100), ("bytes 5-5/6", 5, 5, 6), ("Bytes 1-2/*", 1, 2, nil),
        ] as [(String, UInt64, UInt64, UInt64?)])
    func `ranges are read`(text: String, first: UInt64, last: UInt64, total: UInt64?) throws {
        let range = try #require(ContentRange(text))
        #expect(range.first == first && range.last == last && range.total == total)
    }

    @Test(arguments: ["", "bytes", "bytes */100", "bytes 9-0/100", "bytes 0-9/5", "items 0-1/2"])
    func `wrong ranges are none`(text: String) { #expect(ContentRange(text) == nil) }

    @Test(arguments: [
        (403, "SignatureDoesNotMatch", LifeboatError.Code.denied, "secret"),
        (403, "RequestTimeTooSkewed", .denied, "clock"), (400, "AccessDenied", .denied, "allow"),
        (403, "InvalidAccessKeyId", .denied, "AWS_ACCESS_KEY_ID"),
        (403, "QuotaExceeded", .full, "quota"), (404, "NoSuchBucket", .noRepository, "bucket"),
        (404, "NoSuchKey", .missing, "subject"), (301, "PermanentRedirect", .denied, "eu-9"),
        (400, "AuthorizationHeaderMalformed", .denied, "region=eu-9"), (307, "", .denied, "eu-9"),
        (501, "NotImplemented", .unsupported, "cannot"), (503, "SlowDown", .unavailable, "later"),
        (507, "", .full, "space"),
        (400, "BadDigest", .unavailable, "way"), (400, "", .denied, "HTTP 400"),
    ]) func `refusals say what to do`(
        status: Int, name: String, code: LifeboatError.Code, word: String
    ) throws {
        let endpoint = S3Endpoint(try S3Location("s3:http://localhost/bucket"), region: nil)
        let body =
            name.isEmpty
            ? "" : "<Error><Code>\(name)</Code><Message>m</Message><Region>eu-9</Region></Error>"
        let error = S3Refusal(endpoint: endpoint).error(
            HTTPResponse(
                status: status, headers: [(name: "X-Amz-Bucket-Region", value: "eu-9")],
                body: Self.bytes(body)), subject: "subject")
        #expect(error.code == code)
        #expect(error.description.contains(word), "\(error)")
        #expect(name.isEmpty || error.cause?.contains(name) == true)
    }
}
