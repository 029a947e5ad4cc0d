import LifeboatCore
import LifeboatSystem
import LifeboatVolume

/// The files into which QEMU copies what the guest overwrites while its disks are read.
struct QEMUScratch: Sendable {
    let directory: String
    /// Bytes that all files together may take.
    let bound: UInt64
    /// Bytes that must stay free in the file system, whoever takes them.
    let reserve: UInt64
    private(set) var files: [String] = []

    /// A smaller one would have no room for its own tables.
    private static let leastBytes: UInt64 = 4 << 20

    init(directory: String, bound: UInt64?) throws(LifeboatError) {
        self.directory = directory
        try Files.makeDirectories(directory)
        guard let free = Files.availableBytes(directory) else {
            throw LifeboatError(
                .unavailable, "cannot ask for the free space of \(directory)", subject: directory)
        }
        self.bound = max(Self.leastBytes, min(bound ?? .max, free - free / 10))
        reserve = free / 20
    }

    /// Makes a file for a disk of so many bytes; returns its path.
    mutating func add(
        _ name: String, size: UInt64
    ) throws(LifeboatError) -> String {
        let path = "\(directory)/\(name)"
        files.append(path)
        try? Files.remove(path)
        try ImageTool.create(path, format: .qcow2, size: size)
        return path
    }

    /// Bytes that the files take now.
    var allocated: UInt64 { files.reduce(0) { $0 + ScratchWatch.allocated($1) } }

    /// Whether no room is left for what the guest writes.
    var isFull: Bool {
        // One cluster more was wanted than there was room for.
        if allocated + (1 << 20) >= bound { return true }
        return (Files.availableBytes(directory) ?? 0) < 1 << 20
    }

    func fullError(_ name: String, _ why: String) -> LifeboatError {
        LifeboatError(
            .full,
            "the guest wrote more while \(name) was read than its scratch files have room for",
            subject: name,
            cause: "\(why), in \(directory)",
            advice: "give them more room, or back up when less is written")
    }

    func remove() -> [String] {
        files.compactMap { path in
            do throws(LifeboatError) {
                try Files.remove(path)
                return nil
            } catch {
                return error.code == .missing ? nil : "\(error)"
            }
        }
    }

    /// Removes what earlier runs of the same line left.
    static func removeOrphans(_ names: QEMUNames, in directory: String) {
        for name in (try? Files.list(directory)) ?? [] where names.isOurs(name) {
            try? Files.remove("\(directory)/\(name)")
        }
    }
}
