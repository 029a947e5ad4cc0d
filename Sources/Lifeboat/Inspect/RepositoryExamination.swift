import LifeboatCore
public import LifeboatMachine

extension Operations {
    /// What speaks against the way in which this host reaches its repository: what its keys allow
    /// that they should not, and what the store lets it delete.
    ///
    /// Never fails: what cannot be found out is a finding too. Asks the store what it can do, which
    /// puts and deletes some small objects.
    public func examineRepository() -> [MachineFinding] {
        let found: RepositoryInformation
        do throws(LifeboatError) {
            found = try information(probes: true)
        } catch {
            return [
                MachineFinding(
                    .problem, "repository", "the repository cannot be used: \(error.message)",
                    advice: error.advice ?? error.cause)
            ]
        }
        return [
            MachineFinding(.good, "repository", "the repository \(found.location) opens")
        ] + RepositoryExamination(information: found).findings
    }
}

/// What can be said of a repository's keys and store.
struct RepositoryExamination {
    let information: RepositoryInformation

    var findings: [MachineFinding] { [roleFinding] + keyFindings + [deletionFinding] }

    private var roleFinding: MachineFinding {
        if information.abilities.contains("backup") {
            return MachineFinding(.good, "key-role", "this host's key is that of a writer")
        }
        if information.abilities.contains("forget") {
            return MachineFinding(
                .problem, "key-role", "this host's key is that of a keeper, which adds no points",
                advice: "give the host a key of its own: lifeboat key enrol --role writer")
        }
        return MachineFinding(
            .problem, "key-role", "this host's key adds no points",
            advice: "enrol the host: lifeboat key enrol --role writer, with the recovery key")
    }

    private var keyFindings: [MachineFinding] {
        guard information.abilities.contains("restore") else {
            return [
                MachineFinding(
                    .good, "recovery-key", "what this host stores it cannot read back")
            ]
        }
        return [
            MachineFinding(
                .warning, "recovery-key",
                "the recovery key is at hand here: who takes over this host reads everything",
                advice: "keep it away from hosts that back up")
        ]
    }

    private var deletionFinding: MachineFinding {
        if information.lockDuration > 0 {
            return MachineFinding(
                .good, "deletion", "the store locks what it is given: nobody deletes it in time")
        }
        guard let abilities = information.store.abilities else {
            return MachineFinding(
                .advice, "deletion", "what the store allows this host to delete is not known")
        }
        if information.store.kind == "directory" {
            return MachineFinding(
                .advice, "deletion",
                "whoever takes over this host can delete the repository's files",
                advice: "keep a replica where this host cannot write, or use an immutable bucket")
        }
        return abilities.deletes
            ? MachineFinding(
                .warning, "deletion", "this host's credentials may delete objects of the store",
                advice: "give it credentials that may not, or make the repository immutable")
            : MachineFinding(
                .good, "deletion", "this host's credentials may not delete objects of the store")
    }
}
