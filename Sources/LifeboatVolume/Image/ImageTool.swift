public import LifeboatCore
internal import LifeboatSystem

/// QEMU's program for disk images, `qemu-img`: it looks at them, makes them and changes them.
///
/// Functions throw `.missing` without the program, `.unavailable` when it takes too long, and by what it
/// says `.refused` where somebody has the image open, `.denied`, `.full`, and `.unsupported` where
/// it is too old for what is asked. What is left is `.unreadable`, and `.unavailable` for an image
/// that cannot be made.
public enum ImageTool {
    /// The program's name.
    public static let program = "qemu-img"
    /// How long it may take, for it only touches metadata; in seconds.
    public static let timeoutSeconds = 120.0

    // MARK: looking

    /// What is known of an image.
    ///
    /// - Parameters:
    ///   - format: as which it is read; what its first bytes say when `nil`.
    ///   - isShared: whether a machine may have it open meanwhile.
    public static func information(
        _ path: String, format: String? = nil, isShared: Bool = true,
        timeoutSeconds: Double = ImageTool.timeoutSeconds
    ) throws(LifeboatError) -> ImageInformation {
        let arguments =
            ["info", "--output=json"] + (isShared ? ["--force-share"] : [])
            + (format.map { ["-f", $0] } ?? []) + [Files.absolute(path)]
        return try ImageInformation(
            parsing: try run(arguments, subject: path, timeoutSeconds: timeoutSeconds))
    }

    // MARK: making

    /// Makes an image for a disk of `size` bytes under a name that is taken by nobody.
    ///
    /// Only this user may read it. Nothing is left where it cannot be made.
    /// - Parameter backing: a raw export that the image is an overlay of; its server need not run.
    /// - Throws: `.exists` if the name is taken.
    public static func createNew(
        _ path: String, format: ImageFormat, size: UInt64, backing: String? = nil
    ) throws(LifeboatError) {
        // The name is taken first: the program itself would overwrite what is there. And it leaves
        // the mode of what it finds.
        _ = try File(path: path, access: .createNew)
        do throws(LifeboatError) {
            try create(
                path, format: format, size: size,
                options: backing.map { ["-u", "-F", "raw", "-b", $0] } ?? [])
        } catch {
            try? Files.remove(path)
            throw error
        }
    }

    /// Makes an image for a disk of `size` bytes, in the place of what is there.
    ///
    /// - Parameter options: more of what `qemu-img create` knows.
    public static func create(
        _ path: String, format: ImageFormat, size: UInt64, options: [String] = []
    ) throws(LifeboatError) {
        _ = try run(
            ["create", "-q", "-f", format.rawValue] + options + [Files.absolute(path), "\(size)"],
            subject: path)
    }

    // MARK: changing

    /// Changes what `qemu-img amend` knows of an image; in options a comma is written twice.
    public static func amend(
        _ path: String, format: ImageFormat, options: String
    ) throws(LifeboatError) {
        _ = try run(
            ["amend", "-q", "-f", format.rawValue, "-o", options, Files.absolute(path)],
            subject: path)
    }

    /// Makes a bitmap in a qcow2 image, which records changes from now on.
    public static func addBitmap(_ name: String, to path: String) throws(LifeboatError) {
        try bitmap("--add", name, path)
    }

    /// Removes a bitmap of a qcow2 image.
    public static func removeBitmap(_ name: String, of path: String) throws(LifeboatError) {
        try bitmap("--remove", name, path)
    }

    private static func bitmap(
        _ verb: String, _ name: String, _ path: String
    ) throws(LifeboatError) {
        _ = try run(
            ["bitmap", verb, "-f", ImageFormat.qcow2.rawValue, Files.absolute(path), name],
            subject: path)
    }

    // MARK: the program

    /// Runs it on the image `subject`, and gives what it writes.
    static func run(
        _ arguments: [String], subject: String, timeoutSeconds: Double = ImageTool.timeoutSeconds
    ) throws(LifeboatError) -> [UInt8] {
        let result = try ChildProcess.run(
            .init([program] + arguments), timeoutSeconds: timeoutSeconds)
        guard result.isSuccess else {
            throw failure(arguments.first ?? "", subject, result.lastWords)
        }
        return result.output
    }

    /// The error for what it said when it failed.
    static func failure(_ verb: String, _ path: String, _ words: String) -> LifeboatError {
        let what =
            switch verb {
            case "info": "the image \(path) cannot be read"
            case "create": "the image \(path) cannot be made"
            default: "the image \(path) cannot be changed"
            }
        func error(_ code: LifeboatError.Code, _ advice: String? = nil) -> LifeboatError {
            LifeboatError(code, what, subject: path, cause: words, advice: advice)
        }
        if words.contains(" lock") { return error(.refused, "see that no machine has it open") }
        if words.contains("Permission denied") { return error(.denied) }
        if words.contains("No space left") { return error(.full) }
        if ["Command not found", "unrecognized option", "Invalid parameter", "Unknown option"]
            .contains(where: words.contains)
        {
            return error(.unsupported, "this needs qemu-img 6.0 or newer")
        }
        return error(verb == "create" ? .unavailable : .unreadable)
    }
}
