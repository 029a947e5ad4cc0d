import ArgumentParser
import Foundation
import Lifeboat
import LifeboatCore
import Testing

@testable import LifeboatCommand

@Suite struct LinkTests {
    /// A host with a file of links, and what its commands say.
    private final class Host {
        let folder: String

        init(_ links: String) throws {
            folder = NSTemporaryDirectory() + "lifeboat-" + UUID().uuidString
            try FileManager.default.createDirectory(
                atPath: folder, withIntermediateDirectories: true)
            try links.write(toFile: folder + "/links.yaml", atomically: true, encoding: .utf8)
        }

        deinit { try? FileManager.default.removeItem(atPath: folder) }

        func run(_ arguments: String...) throws -> Report { try run(arguments) }

        private func run(_ arguments: [String]) throws -> Report {
            let all = arguments + ["--links", folder + "/links.yaml", "--state-dir", folder, "-q"]
            let command = try #require(try RootCommand.parseAsRoot(all) as? any Subcommand)
            let environment = Environment(
                variables: [
                    "HOME": folder, "AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "s",
                    // Asked for only if the link lets the command go on.
                    "LIFEBOAT_PASSWORD_FILE": folder + "/none",
                ], isRoot: false)
            return try command.perform(
                Invocation(
                    console: Console(command.output, environment: environment),
                    cancellation: Cancellation(), environment: environment))
        }

        func error(_ arguments: String...) -> LifeboatError? {
            #expect(throws: LifeboatError.self) {
                try run(arguments)
            }
        }
    }

    private let text = """
        links:
          office: {carries: s3.example.com, upload: 20MB/s}
        """
    private let repository = "s3:https://s3.example.com/bucket"

    @Test func `links are listed and limited`() throws {
        let host = try Host(text)
        let list = try host.run("link", "list")
        #expect(
            list.json.text
                == #"{"links":[{"name":"office","carries":["s3.example.com"],"#
                + #""upload":{"limit":20000000,"plain_limit":20000000,"set":false},"#
                + #""download":{"limit":null,"plain_limit":null,"set":false},"windows":[],"#
                + #""next_change":null,"source_address":null,"interface":null,"spool":null,"#
                + #""suspended":false,"since":null,"since_ms":null}]}"#)
        #expect(
            list.lines == [
                "link    upload  download  until  state   carries",
                "office  20MB/s  none      -      in use  s3.example.com",
            ])
        let limited = try host.run("link", "limit", "office", "--upload", "5MB/s")
        #expect(limited.lines[1].contains("5MB/s (set)"))
        #expect(
            limited.json.text.contains(
                #""upload":{"limit":5000000,"plain_limit":20000000,"set":true}"#))
        #expect(try host.run("link", "list").json == limited.json)
        #expect(try host.run("link", "limit", "office", "--clear").json == list.json)
        #expect(host.error("link", "limit", "--clear", "other", "-q")?.code == .missing)
    }

    @Test func `no links are no error`() throws {
        #expect(try Host("").run("link", "list").lines == ["no links"])
    }

    @Test func `a suspended link ends a command before it asks for a secret`() throws {
        let host = try Host(text)
        #expect(host.error("stats", "--repo", repository)?.code == .missing)
        let report = try host.run("suspend", "link:office")
        #expect(
            report.json.text.hasPrefix(
                #"{"kind":"link","name":"office","suspended":true,"since":"20"#))
        #expect(report.json.text.hasSuffix(#","changed":true,"spooled_points":null}"#))
        #expect(
            try host.run("suspend", "office").json.text.hasSuffix(
                #","changed":false,"spooled_points":null}"#))
        #expect(try host.run("link", "list").lines[1].contains("suspended since 20"))
        let error = try #require(host.error("stats", "--repo", repository))
        #expect(error.code == .suspended && ErrorReport(error).status.rawValue == 15)
        #expect(ErrorReport(error).text.contains("lifeboat resume office"))
        let key = host.folder + "/recovery.key"
        #expect(
            host.error("init", "--repo", repository, "--recovery-key-file", key)?.code
                == .suspended)
        let other = "s3:https://other.example.com/bucket"
        #expect(host.error("stats", "--repo", other)?.code == .missing)
        #expect(
            try host.run("resume", "office").json.text
                == #"{"kind":"link","name":"office","suspended":false,"since":null,"#
                + #""since_ms":null,"changed":true,"spooled_points":null}"#)
        #expect(try host.run("resume", "office").lines == ["link office was not suspended"])
        #expect(host.error("stats", "--repo", repository)?.code == .missing)
    }

    @Test(arguments: ["machine:a", "policy:a", "site:a", "a:b", ":a", "link:", ""])
    func `what cannot be suspended is refused`(name: String) throws {
        for command in ["suspend", "resume"] {
            let error = try #require(try Host(text).error(command, name))
            #expect(error.code == .usage && error.advice?.contains("link") == true)
        }
    }

    @Test(arguments: [
        ["--limit-upload", "1MB/s"], ["--limit-download", "1MB/s"],
        ["--source-address", "127.0.0.1"], ["--interface", "lo"],
    ]) func `a directory is not limited in silence`(options: [String]) throws {
        let error = try Host(text).error("stats", "--repo", "/none", options[0], options[1])
        #expect(error?.code == .usage)
    }

    @Test func `no limit is none`() throws {
        let error = try Host(text).error("stats", "--repo", "/none", "--limit-upload", "none")
        #expect(error?.code == .missing)
    }

    @Test func `options say how the network is used`() throws {
        let options = try TrafficOptions.parse([
            "--limit-upload", "20MB/s", "--limit-download", "0", "--interface", "eth0",
        ])
        var network = NetworkOptions()
        options.restrict(&network)
        #expect(network.uploadLimit == .bytesPerSecond(20_000_000))
        #expect(network.downloadLimit == .unlimited && network.interface == "eth0")
        #expect(network.sourceAddress == nil && network.isRestricted)
    }
}
