public import LifeboatCore
internal import LifeboatSystem

extension DirectoryStore {
    public func list(
        _ prefix: String, _ body: (ObjectName, UInt64) throws(LifeboatError) -> Void
    ) throws(LifeboatError) {
        let folder = prefix.lastIndex(of: "/").map { String(prefix[..<$0]) } ?? ""
        // Such a prefix can start no name, and must not lead out of the directory.
        if !folder.isEmpty, ObjectName(validating: folder) == nil { return }
        try visit(folder, prefix, body)
    }

    private func visit(
        _ folder: String, _ prefix: String,
        _ body: (ObjectName, UInt64) throws(LifeboatError) -> Void
    ) throws(LifeboatError) {
        for entry in try entries(folder) {
            let path = folder.isEmpty ? entry : "\(folder)/\(entry)"
            // What is no object name was put here by somebody else (lost+found), or is `tmp`.
            guard path.hasPrefix(prefix) || prefix.hasPrefix(path + "/"),
                let name = ObjectName(validating: path)
            else { continue }
            if Files.isDirectory(file(name)) {
                try visit(path, prefix, body)
            } else if path.hasPrefix(prefix), let bytes = try size(name) {
                try body(name, bytes)
            }
        }
    }

    private func entries(_ folder: String) throws(LifeboatError) -> [String] {
        do throws(LifeboatError) {
            return try Files.list(folder.isEmpty ? location : "\(location)/\(folder)")
        } catch {
            // No folder, no objects; but a store that is gone as a whole is an error.
            if error.code == .missing, !folder.isEmpty, Files.exists(location) { return [] }
            throw error
        }
    }
}
