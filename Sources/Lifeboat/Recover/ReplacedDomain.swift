import LifeboatCore
import LifeboatMachine
import LifeboatSystem

/// A domain that has the name of one that is brought back, and gives way to it.
///
/// Only its definition does, which is kept in a file. Its disks and its UEFI variables stay where
/// they are, and so does the state of its TPM, under another name. Where the recovery fails, all of
/// it goes back. Of one thread.
final class ReplacedDomain {
    let domain: LibvirtDomain
    /// Gets its definition.
    let file: String
    /// Where the host keeps the state of its TPM, if it has one.
    let tpm: String
    /// Where that goes.
    let keptTPM: String
    private var definition: String?
    private var hasMovedTPM = false
    private var hasMadeFile = false
    private var hasGivenWay = false

    init(_ domain: LibvirtDomain, folder: String, tpmDirectory: String) {
        self.domain = domain
        file = "\(folder)/\(domain.name)-replaced.xml"
        tpm = "\(tpmDirectory)/\(domain.uuid)"
        keptTPM = tpm + ".replaced"
    }

    /// Why it cannot give way; each with what to do.
    func obstacles() throws(LifeboatError) -> [String] {
        let name = domain.name
        guard try !domain.isActive() else { return ["domain \(name) runs: it is not replaced"] }
        var obstacles: [String] = []
        if try domain.hasManagedSave() {
            obstacles.append(
                "the memory of domain \(name) was saved, and would go on with its old disks: "
                    + "remove that with `virsh managedsave-remove \(ShellWord.quoted(name))`")
        }
        let snapshots = try domain.snapshots()
        if !snapshots.isEmpty {
            obstacles.append(
                "domain \(name) has snapshots that need its old disks ("
                    + snapshots.joined(separator: ", ")
                    + "): delete them with `virsh snapshot-delete --metadata`, which leaves those "
                    + "disks alone, or give another name with --rename")
        }
        let others = try domain.checkpoints().map(\.name).filter { !Self.isOurs($0) }
        if !others.isEmpty {
            obstacles.append(
                "domain \(name) has checkpoints of another program ("
                    + others.joined(separator: ", ")
                    + "): roll it back with --in-place, or give another name with --rename")
        }
        if Files.exists(tpm), Files.exists(keptTPM) {
            obstacles.append(
                "\(keptTPM) exists already, where the state of its TPM would go: move it away")
        }
        return obstacles
    }

    /// What is told of it.
    var note: String {
        "the definition of \(domain.name) that is here gives way, and is kept in \(file); its disks "
            + "stay where they are"
            + (Files.exists(tpm) ? ", and the state of its TPM moves to \(keptTPM)" : "")
    }

    /// Keeps what would be lost; the next definition of its name may take its place.
    func prepare() throws(LifeboatError) {
        guard try !domain.isActive() else {
            throw LifeboatError(
                .refused, "domain \(domain.name) was started meanwhile: it is not replaced",
                subject: domain.name, advice: "shut it down, and recover again")
        }
        let text = try domain.xml([.inactive, .secure])
        // An interrupted recovery that is gone on with has kept it; what is defined by now may be new.
        if !Files.exists(file) {
            try Files.writeAtomically(file, Array(text.utf8), replace: false)
            hasMadeFile = true
        }
        definition = text
        if Files.exists(tpm) {
            try Files.renameNew(from: tpm, to: keptTPM)
            hasMovedTPM = true
        }
    }

    /// The new definition stands.
    func giveWay() throws(LifeboatError) {
        hasGivenWay = true
        // They tell of changes to disks that are not this machine's any more.
        for checkpoint in try domain.checkpoints().reversed() where Self.isOurs(checkpoint.name) {
            try domain.deleteCheckpoint(checkpoint, onlyMetadata: true)
        }
    }

    /// Has it all as it was, once what was made for the new machine is gone.
    ///
    /// Returns what is left to be done by hand.
    func putBack(_ connection: LibvirtConnection) -> String? {
        var left: [String] = []
        if hasMovedTPM {
            do throws(LifeboatError) {
                try Files.renameNew(from: keptTPM, to: tpm)
            } catch {
                left.append("the state of its TPM is in \(keptTPM), and belongs in \(tpm)")
            }
        }
        if hasGivenWay, let definition {
            do throws(LifeboatError) {
                let connection =
                    connection.isAlive ? connection : try LibvirtConnection(uri: connection.uri)
                _ = try connection.defineDomain(xml: definition)
            } catch {
                left.append(
                    "the old definition of \(domain.name) could not be put back: "
                        + "`virsh define \(ShellWord.quoted(file))`")
                hasMadeFile = false
            }
        }
        if hasMadeFile { try? Files.remove(file) }
        return left.isEmpty ? nil : left.joined(separator: "; ")
    }

    private static func isOurs(_ checkpoint: String) -> Bool {
        checkpoint.hasPrefix(InPlaceRecovery.ownPrefix)
    }
}
