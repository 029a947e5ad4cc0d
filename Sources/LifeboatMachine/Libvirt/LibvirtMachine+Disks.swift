internal import LifeboatCore
internal import LifeboatSystem

extension LibvirtMachine {
    /// The disks that a policy wants backed up, and why others are left out.
    static func selectDisks(
        _ xml: DomainXML, _ policy: ProtectionPolicy, machine: String
    ) throws(LifeboatError) -> (disks: [DomainXML.Disk], notes: [String]) {
        let names = Set(xml.disks.map(\.target))
        for name in policy.includedDisks + policy.excludedDisks where !names.contains(name) {
            throw LifeboatError(
                .refused, "\(machine) has no disk \(name)", subject: machine,
                advice: "it has " + names.sorted().joined(separator: ", "))
        }
        var disks: [DomainXML.Disk] = []
        var notes: [String] = []
        for disk in xml.disks {
            let isWanted =
                (policy.includedDisks.isEmpty || policy.includedDisks.contains(disk.target))
                && !policy.excludedDisks.contains(disk.target)
            if !isWanted {
                notes.append("the disk \(disk.target) is left out, as asked for")
            } else if let why = omission(disk) {
                notes.append("the disk \(disk.target) is left out: \(why)")
            } else {
                disks.append(disk)
            }
        }
        return (disks, notes)
    }

    private static func omission(_ disk: DomainXML.Disk) -> String? {
        if disk.device != "disk" { return "it is a \(disk.device)" }
        if disk.source == nil { return "it is empty" }
        if disk.isReadOnly { return "it is read-only" }
        if disk.isTransient { return "it is thrown away when the machine stops" }
        return nil
    }
}
