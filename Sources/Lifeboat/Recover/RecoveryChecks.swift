import LifeboatCore
import LifeboatMachine
import LifeboatSystem

/// Tries the checks of one machine until they pass or their time is over.
struct RecoveryChecks {
    let domain: LibvirtDomain
    /// Addresses that the definition knows, where neither agent nor leases tell one.
    let known: [String]
    let deadline: Double
    let cancellation: Cancellation

    init(
        _ domain: LibvirtDomain, known: [String], seconds: Double, cancellation: Cancellation
    ) {
        self.domain = domain
        self.known = known
        self.cancellation = cancellation
        deadline = Clock.monotonicSeconds() + seconds
    }

    /// `meanwhile` is called between tries.
    func run(
        _ checks: [RecoveryCheck], meanwhile: () -> Void = {}
    ) throws(LifeboatError) -> [RecoveryCheckResult] {
        var results: [RecoveryCheckResult] = []
        for check in checks {
            let start = Clock.monotonicSeconds()
            var result = RecoveryCheckResult(
                check: check.name, isPassed: false, detail: "", seconds: 0)
            while true {
                try cancellation.check()
                do throws(LifeboatError) {
                    result.detail = try attempt(check)
                    result.isPassed = true
                } catch {
                    result.detail = error.description
                }
                if result.isPassed || Clock.monotonicSeconds() > deadline { break }
                meanwhile()
                Threads.sleep(seconds: 0.2)
            }
            result.seconds = Clock.monotonicSeconds() - start
            results.append(result)
        }
        return results
    }

    private func attempt(_ check: RecoveryCheck) throws(LifeboatError) -> String {
        switch check {
        case .agent:
            _ = try domain.agentCommand(#"{"execute":"guest-ping"}"#, timeoutSeconds: 2)
            return "the agent answers"
        case .tcp(let port):
            let host = try address()
            try ServiceProbe.connect(host: host, port: port, timeoutSeconds: 3)
            return "\(host):\(port) accepts connections"
        case .http(let request): return try attempt(request)
        case .command(let words): return try command(words)
        }
    }

    private func attempt(_ request: RecoveryCheck.HTTPRequest) throws(LifeboatError) -> String {
        let host: String
        if let named = request.host {
            host = named
        } else {
            host = try address()
        }
        let answer = try ServiceProbe.get(
            host: host, port: request.port, path: request.path, timeoutSeconds: 10)
        guard (200..<300).contains(answer.status) else {
            throw LifeboatError(
                .unavailable, "\(host) answers \(request.path) with status \(answer.status)")
        }
        let body = String(decoding: answer.body, as: UTF8.self)
        if let text = request.text, !body.contains(text) {
            throw LifeboatError(
                .unavailable, "what \(host) answers to \(request.path) does not have the text")
        }
        return "\(host) answers \(request.path)"
    }

    private func command(_ words: [String]) throws(LifeboatError) -> String {
        let start = JSON.object([
            "execute": "guest-exec",
            "arguments": .object([
                "path": .string(words[0]), "arg": .array(words.dropFirst().map { .string($0) }),
            ]),
        ])
        guard let process = try ask(start)["pid"]?.integer else {
            throw LifeboatError(.unavailable, "the agent runs no commands")
        }
        let status = JSON.object([
            "execute": "guest-exec-status", "arguments": .object(["pid": .integer(process)]),
        ])
        while Clock.monotonicSeconds() < deadline {
            let answer = try ask(status)
            if answer["exited"]?.flag == true {
                let code = answer["exitcode"]?.integer ?? -1
                guard code == 0 else {
                    throw LifeboatError(.unavailable, "\(words[0]) ended with \(code)")
                }
                return "\(words[0]) ended with 0"
            }
            try cancellation.check()
            Threads.sleep(seconds: 0.2)
        }
        throw LifeboatError(.unavailable, "\(words[0]) did not end in time")
    }

    private func ask(_ command: JSON) throws(LifeboatError) -> JSON {
        let text = try domain.agentCommand(command.serialized, timeoutSeconds: 5)
        return try JSON(parsing: Array(text.utf8), subject: "the agent")["return"] ?? .null
    }

    /// Where the guest can be reached.
    private func address() throws(LifeboatError) -> String {
        for source in [LibvirtDomain.AddressSource.agent, .leases] {
            let interfaces = (try? domain.interfaceAddresses(source, timeoutSeconds: 3)) ?? []
            if let found = Self.usable(interfaces.flatMap(\.addresses)) { return found }
        }
        if let found = Self.usable(known) { return found }
        throw LifeboatError(.unavailable, "no address of \(domain.name) is known yet")
    }

    /// The first address that other hosts can reach, without its prefix length.
    static func usable(_ addresses: [String]) -> String? {
        addresses.map { String($0.prefix { $0 != "/" }) }.first { address in
            !address.hasPrefix("127.") && !address.hasPrefix("169.254.")
                && address != "::1" && !address.lowercased().hasPrefix("fe80") && !address.isEmpty
        }
    }
}
