import LifeboatCore
import LifeboatMachine
import LifeboatSystem
import LifeboatVolume

/// What QEMU's `qemu-img` does for recoveries.
enum QEMUImage {
    /// What is known of an image.
    struct Information {
        var format: String
        var size: UInt64
        var backing: String?
        /// Names of the bitmaps in a qcow2 image.
        var bitmaps: [String]
    }

    /// Makes a new image; with `backing` an overlay of that raw export.
    static func create(
        _ path: String, format: ImageFormat, size: UInt64, backing: String? = nil
    ) throws(LifeboatError) {
        guard !Files.exists(path) else {
            throw LifeboatError(.exists, "the target exists already", subject: path)
        }
        // Nobody else may read it; QEMU leaves the mode of what is there.
        _ = try File(path: path, access: .createNew)
        var arguments = ["create", "-q", "-f", format.rawValue]
        // The server of what is behind it need not run yet, and its size is known.
        if let backing { arguments += ["-u", "-F", "raw", "-b", backing] }
        _ = try run(arguments + [path, String(size)], path)
    }

    static func information(_ path: String) throws(LifeboatError) -> Information {
        let output = try run(["info", "--force-share", "--output=json", path], path)
        let value = try JSON(parsing: output, subject: "qemu-img")
        let bitmaps = value["format-specific"]?["data"]?["bitmaps"]?.list ?? []
        return Information(
            format: value["format"]?.text ?? "raw",
            size: UInt64(max(0, value["virtual-size"]?.integer ?? 0)),
            backing: value["backing-filename"]?.text,
            bitmaps: bitmaps.compactMap { $0["name"]?.text })
    }

    static func removeBitmap(_ name: String, of path: String) throws(LifeboatError) {
        _ = try run(["bitmap", "--remove", path, name], path)
    }

    private static func run(
        _ arguments: [String], _ path: String
    ) throws(LifeboatError) -> [UInt8] {
        let result = try ChildProcess.run(.init(["qemu-img"] + arguments), timeoutSeconds: 120)
        guard result.isSuccess else {
            throw LifeboatError(
                .refused, "qemu-img \(arguments[0]) failed on \(path)", subject: path,
                cause: result.lastWords)
        }
        return result.output
    }
}
