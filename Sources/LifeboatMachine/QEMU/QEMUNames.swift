/// The names of what one line of points has in a QEMU.
///
/// QEMU's node names have at most 31 bytes.
struct QEMUNames {
    static let common = "lifeboat-"
    let line: String

    private var prefix: String { "\(Self.common)\(line)-" }

    func bitmap(_ snapshot: String) -> String { prefix + snapshot }
    /// The bitmap that marks the node of a disk in use, and says what has changed in it.
    func marker(_ index: Int) -> String { "\(prefix)disk-\(index)" }
    func filter(_ index: Int) -> String { "\(prefix)\(index)-filter" }
    func job(_ index: Int) -> String { "\(prefix)\(index)-job" }
    func scratch(_ index: Int) -> String { "\(prefix)\(index)-scratch" }
    func export(_ index: Int) -> String { "\(prefix)\(index)" }
    func scratchFile(_ snapshot: String, _ index: Int) -> String {
        "\(scratchFiles(snapshot))\(index).qcow2"
    }
    /// Begins the names of all scratch files of one snapshot.
    func scratchFiles(_ snapshot: String) -> String { "\(prefix)\(snapshot)-" }
    var socket: String { "\(Self.common)\(line).nbd" }

    func isOurs(_ name: String) -> Bool { name.hasPrefix(prefix) }
    func isScratch(_ name: String) -> Bool { isOurs(name) && name.hasSuffix("-scratch") }
    func isFilter(_ name: String) -> Bool { isOurs(name) && name.hasSuffix("-filter") }

    /// Whose the filter of this name is: a line that is not ours.
    func strangerOfFilter(_ name: String) -> String? {
        guard name.hasPrefix(Self.common), name.hasSuffix("-filter"), !isOurs(name) else {
            return nil
        }
        return String(name.dropFirst(Self.common.count).prefix { $0 != "-" })
    }
}
