internal import LifeboatSystem

/// How block devices build on one another, as `/sys` tells it.
enum BlockDevices {
    private static let limit = 1024

    /// A device, its partitions, what holds any of these (LVM, crypt, RAID), and so on upwards.
    static func stack(above device: UInt64) -> Set<UInt64> {
        var found: Set<UInt64> = [device]
        var waiting = [device]
        while let next = waiting.popLast(), found.count < limit {
            let folder = "/sys/dev/block/\(DeviceNumber.text(next))"
            for above in partitions(folder) + holders(folder) where found.insert(above).inserted {
                waiting.append(above)
            }
        }
        return found
    }

    private static func partitions(_ folder: String) -> [UInt64] {
        names(folder).filter { Files.exists("\(folder)/\($0)/partition") }
            .compactMap { number("\(folder)/\($0)/dev") }
    }

    private static func holders(_ folder: String) -> [UInt64] {
        names(folder + "/holders").compactMap { number("\(folder)/holders/\($0)/dev") }
    }

    private static func names(_ folder: String) -> [String] { (try? Files.list(folder)) ?? [] }

    static func number(_ path: String) -> UInt64? {
        Files.text(path).flatMap { DeviceNumber.parse($0.prefix { $0 != "\n" }) }
    }
}

/// Loop devices: block devices whose bytes are a file's.
struct LoopDevice {
    let path: String
    let device: UInt64
    let isReadOnly: Bool

    /// The loop devices whose backing file or device is this one.
    static func attached(to identity: FileIdentity) -> [LoopDevice] {
        let names = (try? Files.list("/sys/block")) ?? []
        return names.filter { $0.hasPrefix("loop") }.compactMap { name in
            let folder = "/sys/block/\(name)"
            guard let line = Files.text(folder + "/loop/backing_file"),
                let backing = Files.identity(String(line.prefix { $0 != "\n" })),
                backing == identity,
                let device = BlockDevices.number(folder + "/dev")
            else { return nil }
            let isReadOnly = Files.text(folder + "/ro")?.hasPrefix("1") ?? false
            return LoopDevice(path: "/dev/\(name)", device: device, isReadOnly: isReadOnly)
        }
    }
}
