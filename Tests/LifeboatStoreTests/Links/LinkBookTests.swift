import LifeboatCore
import Testing

@testable import LifeboatStore

@Suite struct LinkBookTests {
    private func book(_ text: String) throws(LifeboatError) -> LinkBook {
        try LinkBook(parsing: Array(text.utf8), path: "links.yaml")
    }

    @Test func `a file of links is read`() throws {
        let book = try book(
            """
            links:
              office:
                carries: [S3.example.com, "swift:backups"]
                upload: 20MB/s
                windows:
                  - mon-fri 08:00-18:00 5MB/s
                source_address: 192.0.2.7
              b-2:
                carries: "*.example.org"
                download: 0
                windows: daily 00:00-24:00 1MB/s download
                interface: wan0
            """)
        #expect(book.links.map(\.name) == ["b-2", "office"])
        let office = try #require(book["office"])
        #expect(office.carries == [.host("s3.example.com"), .location("swift:backups")])
        #expect(office.upload == .bytesPerSecond(20_000_000) && office.download == .unlimited)
        #expect(office.windows.count == 1 && office.sourceAddress == "192.0.2.7")
        let other = try #require(book["b-2"])
        #expect(other.carries == [.domain(".example.org")] && other.interface == "wan0")
        #expect(other.windows.map(\.direction) == [.download])
        #expect(office.spool == nil && book["none"] == nil)
        #expect(try self.book("").links.isEmpty && (try self.book("# none\n")).links.isEmpty)
    }

    @Test func `a link may have a spool`() throws {
        func spool(_ text: String) throws -> SpoolSettings? {
            try book("links: {a: {carries: h, spool: {\(text)}}}")["a"]?.spool
        }
        #expect(
            try spool("directory: /spool, size: 50GiB")
                == SpoolSettings(directory: "/spool", size: 50 << 30))
        #expect(
            try spool("directory: /spool, size: 1MB, when: unreachable, counts: yes")
                == SpoolSettings(
                    directory: "/spool", size: 1_000_000, occasion: .unreachable, counts: true))
        #expect(
            try spool("directory: /spool, size: 1MB, when: suspended, counts: no")
                == SpoolSettings(directory: "/spool", size: 1_000_000))
    }

    @Test(arguments: [
        "x", "[]", "links: {}", "links: []", "link: {a: {carries: h}}",
        "links: {a: {carries: h}}\nmore: 1", "links: {a: h}", "links: {a: {}}",
        "links: {a: {carries: []}}", "links: {a: {carries: {b: c}}}", "links: {../a: {carries: h}}",
        "links: {.a: {carries: h}}", "links: {a: {carries: h, uplaod: 1MB/s}}",
        "links: {a: {carries: h, upload: fast}}", "links: {a: {carries: h, upload: [1MB/s]}}",
        "links: {a: {carries: h, windows: [never]}}", "links: {a: {carries: /mnt/backup}}",
        "links: {a: {carries: \"h h\"}}", "links: {a: {carries: [h, h]}}",
        "links: {a: {carries: h}, b: {carries: H}}", "links: {a: {carries: h}, a: {carries: i}}",
        "links: {a: {carries: h, source-address: 1.2.3.4, interface: e}}", "links: [",
        "links: {a: {carries: h, spool: /s}}", "links: {a: {carries: h, spool: {directory: /s}}}",
        "links: {a: {carries: h, spool: {size: 1GiB}}}",
        "links: {a: {carries: h, spool: {size: 1GiB, directory: s}}}",
        "links: {a: {carries: h, spool: {size: 0, directory: /s}}}",
        "links: {a: {carries: h, spool: {size: 1GiB, directory: /s, when: never}}}",
        "links: {a: {carries: h, spool: {size: 1GiB, directory: /s, counts: 1}}}",
        "links: {a: {carries: h, spool: {size: 1GiB, directory: /s, color: red}}}",
    ])
    func `a fault is told, and where`(text: String) {
        let error = #expect(throws: LifeboatError.self) { try book(text) }
        #expect(error?.code == .usage && error?.subject == "links.yaml")
    }

    private static let carriages: [(String, String, [String], Bool)] = [
        ("h.example.com", "s3:https://h.example.com/b", ["h.example.com"], true),
        ("h.example.com", "s3:https://h.example.com:90/b", ["h.example.com:90"], true),
        ("h.example.com:90", "s3:https://h.example.com:90/b", ["h.example.com:90"], true),
        ("h.example.com:91", "s3:https://h.example.com:90/b", ["h.example.com:90"], false),
        ("example.com", "s3:https://h.example.com/b", ["h.example.com"], false),
        ("*.example.com", "s3:https://h.example.com:1/b", ["h.example.com:1"], true),
        ("*.example.com", "s3:https://example.com/b", ["example.com"], false),
        ("[::1]", "s3:http://[::1]:90/b", ["[::1]:90"], true),
        ("[::1]:90", "s3:http://[::1]:90/b", ["[::1]:90"], true),
        ("[::1]", "s3:http://[::1]/b", ["[::1]"], true),
        ("s3:https://h/b", "s3:https://h/b", ["h"], true),
        ("s3:https://h/b/", "s3:https://h/b/c", ["h"], true),
        ("s3:https://h/b", "s3:https://h/b?region=r", ["h"], true),
        ("s3:https://h/b", "s3:https://h/bb", ["h"], false),
        ("swift:", "swift:c/p", [], true), ("swift:c", "swift:c/p", [], true),
        ("swift:c", "swift:cc", [], false),
        ("keys.example.com", "swift:c", ["store.example.com", "keys.example.com"], true),
    ]

    @Test(arguments: carriages)
    func `a link carries what it says`(
        text: String, location: String, hosts: [String], carries: Bool
    ) throws {
        let carriage = try #require(LinkCarriage(text))
        #expect(
            carriage.carries(LinkTarget(location: location, authorities: hosts)) == carries)
        #expect(LinkCarriage(carriage.description) == carriage)
    }

    @Test func `the closest description decides`() throws {
        let book = try book(
            """
            links:
              a: {carries: "*.com"}
              b: {carries: "*.example.com"}
              c: {carries: h.example.com}
              d: {carries: "h.example.com:90"}
              e: {carries: "s3:https://h.example.com:90/bucket"}
              f: {carries: "s3:https://h.example.com:90/bucket/deep"}
            """)
        func link(_ host: String, _ path: String) -> String? {
            book.link(
                to: LinkTarget(location: "s3:https://\(host)/\(path)", authorities: [host]))?.name
        }
        #expect(link("other.com", "x") == "a")
        #expect(link("i.example.com", "x") == "b")
        #expect(link("h.example.com", "x") == "c")
        #expect(link("h.example.com:90", "x") == "d")
        #expect(link("h.example.com:90", "bucket/x") == "e")
        #expect(link("h.example.com:90", "bucket/deep") == "f")
        #expect(link("elsewhere.org", "bucket") == nil)
    }

    @Test(arguments: [
        ("https://a.b:1/c", "a.b:1"), ("http://u:p@h/c", "h"), ("h/c", nil), ("", nil),
    ]) func `the authority of an address`(url: String, authority: String?) {
        #expect(LinkTarget.authority(of: url) == authority)
    }
}
