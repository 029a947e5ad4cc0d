import LifeboatCore
import LifeboatFormat
import LifeboatSystem

/// The highest configuration and roster that this host ever saw, kept in the state directory: what
/// shows that a repository was set back.
///
/// Two lines, `configuration` and `roster`, each with number and SHA-256 of the object.
struct TrustedNumbers: Equatable {
    struct Object: Equatable {
        var number: UInt64
        var digest: Digest
    }

    var configuration: Object
    var roster: Object

    /// What this host saw; `nil` when it saw nothing yet.
    static func load(_ directories: LocalDirectories) throws(LifeboatError) -> TrustedNumbers? {
        let path = directories.trustedFile
        guard Files.exists(path) else { return nil }
        let text = String(decoding: try Files.readWhole(path, limit: 4096), as: UTF8.self)
        var objects: [Substring: Object] = [:]
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: " ")
            guard parts.count == 3, let number = UInt64(parts[1]),
                let digest = Digest(hex: String(parts[2]))
            else { continue }
            objects[parts[0]] = Object(number: number, digest: digest)
        }
        guard let configuration = objects["configuration"], let roster = objects["roster"] else {
            throw LifeboatError(
                .damaged, "the file of what this host saw of the repository is unreadable",
                subject: path,
                advice: "compare the repository's fingerprint with your page, then remove the file")
        }
        return TrustedNumbers(configuration: configuration, roster: roster)
    }

    /// Refuses configurations that end before what this host saw, or are other ones.
    ///
    /// This must have been loaded before they were read: other processes of this host see more
    /// every moment.
    func check(
        _ configurations: ConfigurationChain, _ directories: LocalDirectories, location: String
    ) throws(LifeboatError) {
        guard configurations.digest(configuration.number) != configuration.digest else { return }
        throw refusal("configuration \(configuration.number)", directories, location)
    }

    /// Refuses rosters that end before what this host saw, or are other ones.
    func check(
        _ rosters: RosterChain, _ directories: LocalDirectories, location: String
    ) throws(LifeboatError) {
        // A roster before the confirmed one is settled by the configuration that confirms.
        guard
            roster.number > rosters.roster.number
                || rosters.digests[roster.number].map({ $0 != roster.digest }) == true
        else { return }
        throw refusal("roster \(roster.number)", directories, location)
    }

    private func refusal(
        _ what: String, _ directories: LocalDirectories, _ location: String
    ) -> LifeboatError {
        LifeboatError(
            .refused, "the repository was set back or exchanged: this host saw \(what)",
            subject: location,
            advice: "bring the newer state back; to trust this one, remove "
                + directories.trustedFile)
    }

    /// Remembers what is seen now; numbers never fall, also with many processes at work.
    static func remember(
        _ configurations: ConfigurationChain, _ rosters: RosterChain,
        _ directories: LocalDirectories
    ) throws(LifeboatError) {
        let now = TrustedNumbers(
            configuration: Object(
                number: configurations.current.number, digest: configurations.currentDigest),
            roster: Object(number: rosters.roster.number, digest: rosters.digest))
        if try load(directories) == now { return }
        let lock = try File.lockFile(directories.trustedFile + ".lock")
        _ = try lock.lock(exclusive: true, wait: true)
        defer { withExtendedLifetime(lock) {} }
        var merged = now
        if let seen = try load(directories) {
            if seen.configuration.number > now.configuration.number {
                merged.configuration = seen.configuration
            }
            if seen.roster.number > now.roster.number { merged.roster = seen.roster }
        }
        let text = [("configuration", merged.configuration), ("roster", merged.roster)].map {
            "\($0.0) \($0.1.number) \($0.1.digest.hex)\n"
        }
        try Files.writeAtomically(directories.trustedFile, Array(text.joined().utf8))
    }
}

extension File {
    /// A file that processes of one host take turns by; made when it is first wanted.
    fileprivate static func lockFile(_ path: String) throws(LifeboatError) -> File {
        do throws(LifeboatError) {
            return try File(path: path, access: .createNew)
        } catch {
            guard error.code == .exists else { throw error }
            return try File(path: path, access: .readWrite)
        }
    }
}
