internal import LifeboatCore

/// The processor time that control groups (version 2) allow this process, in whole processors.
enum ProcessorQuota {
    private static let root = "/sys/fs/cgroup"
    private static let fileLimit = 1 << 16

    /// The smallest quota on the way from this process's group to the root; `nil` without one.
    static func current() -> Int? {
        guard let membership = text("/proc/self/cgroup") else { return nil }
        let line = membership.split(separator: "\n").first { $0.hasPrefix("0::") }
        guard let line else { return nil }
        var components = line.dropFirst(3).split(separator: "/")
        var smallest: Int?
        while true {
            let path = ([root] + components.map(String.init)).joined(separator: "/")
            if let quota = text(path + "/cpu.max").flatMap(parse) {
                smallest = min(smallest ?? quota, quota)
            }
            if components.popLast() == nil { return smallest }
        }
    }

    /// Reads `200000 100000` as 2, rounded up, and `max 100000` as none.
    static func parse(_ text: String) -> Int? {
        let fields = text.split { $0 == " " || $0 == "\n" }
        guard fields.count == 2, let quota = Int(fields[0]), let period = Int(fields[1]),
            quota > 0, period > 0
        else { return nil }
        return (quota - 1) / period + 1
    }

    private static func text(_ path: String) -> String? {
        guard let bytes = try? Files.readWhole(path, limit: fileLimit) else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }
}
