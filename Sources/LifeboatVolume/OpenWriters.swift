internal import LifeboatSystem

/// Processes that have a file or device open for writing, by a bounded walk through `/proc`.
struct OpenWriters {
    /// A process other than this one.
    var other: Int?
    /// Whether this process itself is one of them.
    var isOwn = false

    private static let secondsLimit = 2.0

    /// Looks for writers of the file itself and of the devices.
    static func find(_ identity: FileIdentity, _ devices: Set<UInt64>) -> OpenWriters {
        let deadline = Clock.monotonicSeconds() + secondsLimit
        let own = Files.linkTarget("/proc/self").flatMap { Int($0) }
        var result = OpenWriters()
        for name in (try? Files.list("/proc")) ?? [] {
            guard let process = Int(name) else { continue }
            if Clock.monotonicSeconds() > deadline { break }
            guard isWriter("/proc/\(name)", identity, devices) else { continue }
            if process == own {
                result.isOwn = true
            } else {
                result.other = process
                break
            }
        }
        return result
    }

    private static func isWriter(
        _ process: String, _ identity: FileIdentity, _ devices: Set<UInt64>
    ) -> Bool {
        let descriptors = (try? Files.list(process + "/fd")) ?? []
        return descriptors.contains { descriptor in
            let link = "\(process)/fd/\(descriptor)"
            // Sockets, pipes and the like have names such as `socket:[1]`.
            guard Files.linkTarget(link)?.hasPrefix("/") == true,
                let found = Files.identity(link),
                found == identity || found.represents != 0 && devices.contains(found.represents)
            else { return false }
            return isWritable("\(process)/fdinfo/\(descriptor)")
        }
    }

    private static func isWritable(_ path: String) -> Bool {
        let lines = Files.text(path)?.split(separator: "\n") ?? []
        guard let line = lines.first(where: { $0.hasPrefix("flags:") }) else { return false }
        let digits = line.dropFirst("flags:".count).filter { $0.isNumber }
        // The lowest two bits: 0 read, 1 write, 2 both.
        return (Int(digits, radix: 8) ?? 0) & 3 != 0
    }
}
