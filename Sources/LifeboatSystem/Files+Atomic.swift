public import LifeboatCore

extension Files {
    /// Writes a file so that its name leads to all of `bytes` or to what was there before.
    ///
    /// Durable when it returns. Without `replace` a taken name is `.exists`, and stays as it was.
    public static func writeAtomically(
        _ path: String, _ bytes: [UInt8], mode: UInt32 = 0o600, replace: Bool = true
    ) throws(LifeboatError) {
        let folder = parent(of: path)
        let temporary = "\(path).\(Identifier.random().hex).tmp"
        do {
            try writeDurably(temporary, bytes, mode: mode)
            if replace {
                try rename(from: temporary, to: path)
            } else {
                try renameNew(from: temporary, to: path)
            }
        } catch {
            try? remove(temporary)
            throw error
        }
        try syncDirectory(folder)
    }

    private static func writeDurably(
        _ path: String, _ bytes: [UInt8], mode: UInt32
    ) throws(LifeboatError) {
        let file = try File(path: path, access: .createNew)
        try file.setMode(mode)
        let buffer = Buffer(capacity: bytes.count)
        buffer.storage.copyBytes(from: bytes)
        buffer.count = bytes.count
        defer { withExtendedLifetime(buffer) {} }
        try file.write(at: 0, buffer.bytes)
        try file.sync()
    }
}
