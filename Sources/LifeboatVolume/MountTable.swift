internal import LifeboatSystem

/// What `/proc/self/mountinfo` says about devices.
enum MountTable {
    /// Where one of the devices is mounted writable.
    static func place(ofAny devices: Set<UInt64>) -> String? {
        guard !devices.isEmpty, let text = Files.text("/proc/self/mountinfo") else { return nil }
        return place(ofAny: devices, in: text) { Files.identity($0)?.represents }
    }

    /// The same in the text of a mount table; `lookUp` gives the device that a node stands for.
    static func place(
        ofAny devices: Set<UInt64>, in text: String, lookUp: (String) -> UInt64?
    ) -> String? {
        for line in text.split(separator: "\n") {
            // 36 35 98:0 /root /mnt rw,noatime master:1 - ext3 /dev/sda rw,errors=continue
            let halves = line.split(separator: " - ", maxSplits: 1)
            guard halves.count == 2 else { continue }
            let mount = halves[0].split(separator: " ")
            let system = halves[1].split(separator: " ")
            guard mount.count >= 6, system.count >= 3 else { continue }
            // A read-only mount may be one of several: only a read-only file system is safe.
            if system[2].split(separator: ",").contains("ro") { continue }
            // Btrfs has made-up device numbers here, but names its device.
            let source = system[1].hasPrefix("/dev/") ? lookUp(unescape(system[1])) : nil
            let isOurs =
                DeviceNumber.parse(mount[2]).map(devices.contains) == true
                || source.map(devices.contains) == true
            if isOurs { return unescape(mount[4]) }
        }
        return nil
    }

    /// Undoes the octal escapes of blanks and backslashes in the kernel's tables.
    static func unescape(_ text: some StringProtocol) -> String {
        let bytes = Array(text.utf8)
        var result: [UInt8] = []
        var position = 0
        while position < bytes.count {
            let digits = bytes[position...].dropFirst().prefix(3)
            let octal = Int(String(decoding: digits, as: UTF8.self), radix: 8)
            if bytes[position] == UInt8(ascii: "\\"), digits.count == 3, let octal, octal < 256 {
                result.append(UInt8(octal))
                position += 4
            } else {
                result.append(bytes[position])
                position += 1
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}

/// What `/proc/swaps` says.
enum SwapTable {
    /// Whether the file, or one of the devices, is swap space.
    static func uses(_ identity: FileIdentity, orAny devices: Set<UInt64>) -> Bool {
        guard let text = Files.text("/proc/swaps") else { return false }
        return text.split(separator: "\n").dropFirst().contains { line in
            let path = MountTable.unescape(line.prefix { $0 != " " && $0 != "\t" })
            guard let swap = Files.identity(path) else { return false }
            return swap == identity || swap.represents != 0 && devices.contains(swap.represents)
        }
    }
}
