internal import LifeboatCore
internal import LifeboatSystem

/// A file under `tmp/` on its way to becoming an object; removed unless it was moved into place.
///
/// Its writer holds a lock on it, so that others can tell whether the writer lives.
final class TemporaryObject {
    let file: File
    private var isMoved = false

    /// A lock is taken just after the file is made: leave such files alone.
    private static let youngSeconds = 60.0
    /// Where locks do not reach other hosts, age must do.
    private static let oldSeconds = 86_400.0

    init(in folder: String) throws(LifeboatError) {
        let path = "\(folder)/\(Identifier.random().hex)"
        do throws(LifeboatError) {
            file = try File(path: path, access: .createNewPublic)
        } catch {
            guard error.code == .missing, Files.exists(Files.parent(of: folder)) else {
                throw error
            }
            try Files.makeDirectories(folder)
            file = try File(path: path, access: .createNewPublic)
        }
        _ = try? file.lock(exclusive: true, wait: false)
    }

    deinit {
        if !isMoved { try? Files.remove(file.path) }
    }

    /// Gives the file its name; `.exists` if that is taken.
    func move(to path: String) throws(LifeboatError) {
        try Files.renameNew(from: file.path, to: path)
        isMoved = true
    }

    /// Gives the file its name, in the place of what has it.
    func move(onto path: String) throws(LifeboatError) {
        try Files.rename(from: file.path, to: path)
        isMoved = true
    }

    /// Removes the temporaries of dead writers.
    static func clean(in folder: String) throws(LifeboatError) -> Int {
        guard Files.isDirectory(folder) else { return 0 }
        var removed = 0
        for name in try Files.list(folder) {
            // Another writer or cleaner may be faster.
            guard let file = try? File(path: "\(folder)/\(name)", access: .read),
                let age = file.ageSeconds, age > youngSeconds
            else { continue }
            let isOrphan = (try? file.lock(exclusive: true, wait: false)) ?? (age > oldSeconds)
            if isOrphan, (try? Files.remove(file.path)) != nil { removed += 1 }
        }
        return removed
    }
}
