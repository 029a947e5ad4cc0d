import Foundation
import LifeboatCore
import LifeboatSystem
import LifeboatTesting
import Testing

@testable import LifeboatStore

@Suite struct HTTPCertificateTests {
    /// An authority, and certificates by it, made anew.
    private struct Certificates {
        let folder: TemporaryDirectory

        init() throws {
            folder = try TemporaryDirectory()
            try openssl(
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                "-nodes", "-keyout", "authority.key", "-out", "authority.pem", "-days", "2",
                "-subj", "/CN=test authority")
        }

        /// Makes `name`.pem and its key; `days` may be below 0.
        func make(_ name: String, for host: String, expired: Bool = false) throws {
            try openssl(
                "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-keyout", "\(name).key", "-out", "\(name).csr", "-subj", "/CN=\(host)")
            try Data("subjectAltName=\(host)\n".utf8).write(
                to: URL(filePath: folder.file("\(name).ext")))
            // A start in the past needs the `ca` command; a negative span does as well.
            try openssl(
                "x509", "-req", "-in", "\(name).csr", "-CA", "authority.pem", "-CAkey",
                "authority.key", "-set_serial", "7", "-days", expired ? "-1" : "2", "-extfile",
                "\(name).ext", "-out", "\(name).pem")
        }

        func file(_ name: String) -> String { folder.file(name) }

        private func openssl(_ arguments: String...) throws {
            let process = Process()
            process.executableURL = URL(filePath: "/usr/bin/env")
            process.arguments = ["openssl"] + arguments
            process.currentDirectoryURL = URL(filePath: folder.path)
            process.standardInput = FileHandle.nullDevice
            process.standardOutput = FileHandle.nullDevice
            process.standardError = FileHandle.nullDevice
            try process.run()
            process.waitUntilExit()
            try #require(process.terminationStatus == 0, "openssl \(arguments)")
        }
    }

    /// `openssl s_server` on a port of its own choice.
    private final class Server {
        let port: Int
        private let process = Process()
        private let output = Pipe()

        init(_ certificates: Certificates, _ name: String, arguments: [String] = []) throws {
            process.executableURL = URL(filePath: "/usr/bin/env")
            process.arguments =
                [
                    "openssl", "s_server", "-accept", "127.0.0.1:0", "-www", "-cert",
                    certificates.file("\(name).pem"), "-key", certificates.file("\(name).key"),
                ] + arguments
            process.standardInput = FileHandle.nullDevice
            process.standardOutput = output
            process.standardError = FileHandle.nullDevice
            try process.run()
            // It says "ACCEPT 127.0.0.1:12345" once it listens.
            var text = ""
            while !text.contains("ACCEPT") || text.last != "\n" {
                let data = output.fileHandleForReading.availableData
                guard !data.isEmpty else { break }
                text += String(decoding: data, as: UTF8.self)
            }
            output.fileHandleForReading.readabilityHandler = { _ = $0.availableData }
            let number = text.split(separator: "\n").first { $0.hasPrefix("ACCEPT") }?
                .split(separator: ":").last.flatMap { Int($0) }
            port = try #require(number, "openssl says \(text)")
        }

        func stop() {
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
            output.fileHandleForReading.readabilityHandler = nil
        }
    }

    private func attempt(
        _ port: Int, host: String = "127.0.0.1", authorityFile: String?, seconds: Double = 10
    ) -> Result<HTTPResponse, HTTPFailure> {
        var options = quickOptions(attempts: 1)
        options.deadlines.connect = seconds
        options.authorityFile = authorityFile
        return HTTPClient(options).attempt(
            HTTPRequest(.put, "https://\(host):\(port)/"), body: [], target: nil, limit: 1 << 20
        ).outcome
    }

    private func kind(_ outcome: Result<HTTPResponse, HTTPFailure>) -> HTTPFailure.Kind? {
        guard case .failure(let failure) = outcome else { return nil }
        #expect(!failure.mayHaveTakenEffect)
        return failure.kind
    }

    @Test(.timeLimit(.minutes(1))) func `only the right certificate is accepted`() throws {
        let certificates = try Certificates()
        try certificates.make("right", for: "IP:127.0.0.1")
        try certificates.make("other", for: "DNS:other.example")
        try certificates.make("expired", for: "IP:127.0.0.1", expired: true)
        let authority = certificates.file("authority.pem")

        let right = try Server(certificates, "right")
        defer { right.stop() }
        var options = quickOptions(attempts: 1)
        options.authorityFile = authority
        // This server knows GET only.
        let result = try HTTPClient(options).perform(subject: "x") { _ in
            HTTPRequest(.get, "https://127.0.0.1:\(right.port)/")
        }
        #expect(result.response.status == 200)
        // The system's authorities do not know it, and neither does another file.
        #expect(kind(attempt(right.port, authorityFile: nil)) == .untrusted)
        #expect(
            kind(attempt(right.port, authorityFile: certificates.file("other.pem"))) == .untrusted)
        #expect(
            kind(attempt(right.port, host: "localhost", authorityFile: authority)) == .wrongName)
        for bad in ["none.pem", "right.ext"] {
            #expect(
                kind(attempt(right.port, authorityFile: certificates.file(bad))) == .authorityFile)
        }

        let other = try Server(certificates, "other")
        defer { other.stop() }
        #expect(kind(attempt(other.port, authorityFile: authority)) == .wrongName)

        let expired = try Server(certificates, "expired")
        defer { expired.stop() }
        #expect(kind(attempt(expired.port, authorityFile: authority)) == .expired)

        let old = try Server(
            certificates, "right", arguments: ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"])
        defer { old.stop() }
        #expect(kind(attempt(old.port, authorityFile: authority)) == .handshake)
    }

    @Test func `a server without TLS is none`() throws {
        let server = try TestServer { $0.answer(200) }
        defer { server.stop() }
        let kind = kind(attempt(Int(server.port), authorityFile: nil, seconds: 1))
        #expect(kind == .handshake || kind == .connect)
    }
}
