import LifeboatCore
import LifeboatSystem

/// Reads files of ext2, ext3 and ext4 with the programs of e2fsprogs, on an overlay on which the
/// journal was replayed.
struct ExtReader {
    private let serve: ServeOptions
    private let cancellation: Cancellation

    init(_ serve: ServeOptions, _ cancellation: Cancellation) {
        self.serve = serve
        self.cancellation = cancellation
    }

    func read(_ options: FileOptions) throws(LifeboatError) -> [FileEntry] {
        for program in ["e2fsck", "debugfs"] where ChildProcess.find(program) == nil {
            throw LifeboatError(
                .missing, "there is no program \(program)", subject: program,
                advice: "install the package e2fsprogs")
        }
        guard !options.path.contains(where: { $0 == "\"" || $0.isNewline }) else {
            throw LifeboatError(
                .unsupported, "a path with quotes or line ends cannot be asked for",
                subject: options.path, advice: "ask for the directory above it")
        }
        let folder = "/tmp/lifeboat-" + Identifier.random().hex.prefix(16)
        try Files.makeDirectories(folder)
        defer { try? Files.removeTree(folder) }
        let mount = try VolumeMount.start(
            serve, volume: options.volume, directory: folder + "/overlay", isWritable: true)
        defer { mount.stop() }
        let replay = try ChildProcess.run(
            .init(["e2fsck", "-E", "journal_only", "-y", mount.file]), timeoutSeconds: 3600,
            cancellation: cancellation)
        // 1: something was changed, which is the replay.
        guard [.exited(0), .exited(1)].contains(replay.ending) else {
            throw LifeboatError(
                .damaged, "the journal cannot be replayed", subject: options.volume,
                cause: replay.lastWords)
        }
        let path = options.path.hasPrefix("/") ? options.path : "/" + options.path
        let about = try ask("stat \"\(path)\"", mount.file, path)
        let isDirectory = about.contains("Type: directory")
        if let target = options.target {
            let target = Files.absolute(target)
            let name = path.split(separator: "/").last.map(String.init)
            if isDirectory {
                _ = try ask("rdump \"\(path)\" \"\(target)\"", mount.file, path)
            } else {
                _ = try ask(
                    "dump -p \"\(path)\" \"\(target)/\(name ?? "file")\"", mount.file, path)
            }
        }
        guard isDirectory else {
            let name = path.split(separator: "/").last.map(String.init) ?? path
            let above = String(path.dropLast(name.count))
            return try list(above.isEmpty ? "/" : above, mount.file).filter { $0.name == name }
        }
        return try list(path, mount.file)
    }

    private func list(_ path: String, _ file: String) throws(LifeboatError) -> [FileEntry] {
        try ask("ls -p \"\(path)\"", file, path).split(separator: "\n").compactMap { line in
            // /inode/mode/owner/group/name/size/
            let parts = line.split(separator: "/", omittingEmptySubsequences: false)
            guard parts.count >= 8, let mode = UInt32(parts[2], radix: 8), mode != 0 else {
                return nil
            }
            let name = parts[5..<parts.count - 2].joined(separator: "/")
            guard name != ".", name != ".." else { return nil }
            return FileEntry(
                name: name, mode: FileMode.text(mode), size: UInt64(parts[parts.count - 2]) ?? 0)
        }.sorted { $0.name < $1.name }
    }

    /// Lets debugfs do something; it tells what went wrong on standard error only.
    private func ask(
        _ request: String, _ file: String, _ path: String
    ) throws(LifeboatError) -> String {
        var launch = ChildProcess.Launch(["debugfs", "-R", request, file])
        launch.outputLimit = 64 << 20
        let result = try ChildProcess.run(
            launch, timeoutSeconds: 24 * 3600, cancellation: cancellation)
        let words = String(decoding: result.errorOutput, as: UTF8.self).split(separator: "\n")
            .filter { !$0.hasPrefix("debugfs 1.") && !$0.contains("while changing ownership") }
        if words.contains(where: { $0.contains("File not found") }) {
            throw LifeboatError(.missing, "there is no such file", subject: path)
        }
        guard result.isSuccess, words.isEmpty else {
            throw LifeboatError(
                .unreadable, "the file system cannot be read", subject: path,
                cause: words.suffix(3).joined(separator: "; "))
        }
        return String(decoding: result.output, as: UTF8.self)
    }
}

/// Types and permissions as `ls` writes them.
enum FileMode {
    static func text(_ mode: UInt32) -> String {
        let kinds: [UInt32: String] = [
            0o01: "p", 0o02: "c", 0o04: "d", 0o06: "b", 0o10: "-", 0o12: "l", 0o14: "s",
        ]
        var text = kinds[mode >> 12] ?? "?"
        for (shift, special, letter) in [
            (UInt32(6), UInt32(0o4000), "s"), (3, 0o2000, "s"), (0, 0o1000, "t"),
        ] {
            let bits = mode >> shift
            text += bits & 4 != 0 ? "r" : "-"
            text += bits & 2 != 0 ? "w" : "-"
            let isExecutable = bits & 1 != 0
            text +=
                mode & special != 0
                ? (isExecutable ? letter : letter.uppercased()) : (isExecutable ? "x" : "-")
        }
        return text
    }
}
