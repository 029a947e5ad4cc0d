import LifeboatCore
import Testing

@testable import LifeboatStore

@Suite struct S3LocationTests {
    @Test(arguments: [
        ("s3:https://store.example/bucket", "https", "store.example", "bucket", ""),
        ("s3:http://127.0.0.1:7480/bucket/a/b/", "http", "127.0.0.1:7480", "bucket", "a/b"),
        ("s3:https://Store.Example:443/b.cket/p~1", "https", "store.example", "b.cket", "p~1"),
        ("s3:http://[::1]:9000/bucket/x", "http", "[::1]:9000", "bucket", "x"),
        ("s3:https://store.example:80/bucket", "https", "store.example:80", "bucket", ""),
    ]) func `locations are read`(
        text: String, scheme: String, authority: String, bucket: String, prefix: String
    ) throws {
        let location = try S3Location(text)
        #expect(location.isSecure == (scheme == "https"))
        #expect(location.authority == authority)
        #expect(location.bucket == bucket && location.prefix == prefix)
        #expect(try S3Location(location.description) == location)
    }

    @Test func `options are read and written`() throws {
        let text = "s3:https://store.example/bucket/p?region=eu-1&style=host&ca=/etc/my%20ca.pem"
        let location = try S3Location(text)
        #expect(location.region == "eu-1" && location.style == .host)
        #expect(location.authorityFile == "/etc/my ca.pem")
        #expect(location.description == text)
    }

    @Test(arguments: [
        "s3:store.example/bucket", "s3:ftp://store.example/bucket", "s3:https:///bucket",
        "s3:https://store.example", "s3:https://store.example/", "s3:https://store.example/ab",
        "s3:https://store.example:0/bucket", "s3:https://store.example:x/bucket",
        "s3:https://store.example/bucket//a", "s3:https://store.example/bucket/../a",
        "s3:https://store.example/bucket/a b", "s3:https://store.example/bucket/a%20b",
        "s3:https://sto re.example/bucket", "s3:https://store.example/buc\nket",
        "s3:https://store.example/bucket?colour=red", "s3:https://store.example/bucket?region=",
        "s3:https://store.example/bucket?style=other", "s3:https://store.example/bucket?region=a/b",
        "s3:https://store.example/bucket?region=a&region=b", "s3:https://[store]/bucket",
    ]) func `what is no location is refused`(text: String) {
        let error = #expect(throws: LifeboatError.self) { try S3Location(text) }
        #expect(error?.code == .usage)
    }

    @Test(arguments: [
        "s3:https://AKIA:hunter2@store.example/bucket", "s3:https://hunter2@store.example/bucket",
        "s3:https://store.example/bucket?secret_key=hunter2",
        "s3:https://store.example/bucket?AccessKey=hunter2",
    ]) func `credentials are refused and not repeated`(text: String) throws {
        let error = try #require(throws: LifeboatError.self) { try StoreLocation(text) }
        #expect(error.code == .usage)
        #expect(error.description.contains("AWS_ACCESS_KEY_ID"))
        #expect(!error.description.contains("hunter2"))
    }

    @Test(arguments: [
        ("/backup", "directory"), ("./s3:https://x", "directory"), ("backup", "directory"),
        ("s3:http://localhost:1/bucket", "s3"), ("swift:container/prefix", "swift"),
    ]) func `a location tells the kind of its store`(text: String, kind: String) throws {
        #expect(try StoreLocation(text).kind == kind)
    }

    @Test(arguments: ["", "s3://bucket/prefix", "https://store.example/bucket", "sftp://host/x"])
    func `what others would take for an address is no directory`(text: String) {
        let error = #expect(throws: LifeboatError.self) { try StoreLocation(text) }
        #expect(error?.code == .usage)
    }

    @Test(arguments: [
        ("s3:https://s3.eu-central-1.amazonaws.com/bucket", "https://bucket.", "eu-central-1"),
        ("s3:https://s3.amazonaws.com/bucket", "https://bucket.", "env-1"),
        ("s3:https://s3.amazonaws.com/b.cket", "https://s3.", "env-1"),
        ("s3:https://store.example/bucket", "https://store.", "env-1"),
        ("s3:https://store.example/bucket?style=host&region=x", "https://bucket.", "x"),
    ]) func `addresses have their style and region`(
        text: String, beginning: String, region: String
    ) throws {
        let endpoint = S3Endpoint(try S3Location(text), region: "env-1")
        #expect(endpoint.region == region)
        let target = endpoint.target(key: "k", query: [])
        #expect(target.url.hasPrefix(beginning))
        #expect(target.url == "https://" + target.host + target.path)
    }

    @Test func `keys and queries are escaped and ordered`() throws {
        let endpoint = S3Endpoint(
            try S3Location("s3:http://localhost:7480/bucket/a+b=c"), region: nil)
        #expect(endpoint.region == "us-east-1")
        let target = endpoint.target(
            key: endpoint.key("packs/x"),
            query: [(name: "prefix", value: "a/b c"), (name: "delete", value: "")])
        #expect(
            target.url
                == "http://localhost:7480/bucket/a%2Bb%3Dc/packs/x?delete=&prefix=a%2Fb%20c")
        #expect(target.host == "localhost:7480")
    }
}
