import LifeboatArchive
public import LifeboatCore
import LifeboatFormat
import LifeboatSystem

/// What `key split` made.
public struct RecoveryKeySplitResult: Sendable {
    /// One part, and the file that holds it.
    public struct Part: Sendable {
        /// From 1.
        public var number: Int
        public var file: String
        /// The eight lines of the part, for the page to print.
        ///
        /// Secret.
        public var lines: [String]
        /// The text of the page's QR code.
        ///
        /// Secret.
        public var code: String
    }

    public var repository: Identifier
    /// Four digits that all parts of this splitting bear.
    public var set: String
    /// How many parts give the key back.
    public var needed: Int
    public var parts: [Part]
}

/// What `key join` made.
public struct RecoveryKeyJoinResult: Sendable {
    public var repository: Identifier
    public var set: String
    public var needed: Int
    /// How many parts the set has.
    public var total: Int
    /// The numbers of the parts that were joined.
    public var parts: [Int]
    public var recoveryKeyFile: String
}

extension Operations {
    /// How many parts a recovery key can have.
    public static let largestPartCount = RecoveryKeyPart.largestCount

    /// The file of a part that `splitRecoveryKey` writes.
    public static func recoveryPartFile(_ number: Int, in directory: String) -> String {
        let separator = directory.hasSuffix("/") ? "" : "/"
        return directory + separator + "recovery-part-\(number).txt"
    }

    /// Splits a recovery key into `count` files, any `needed` of which give it back.
    ///
    /// The files are new and readable by their owner only. Needs no repository, and leaves the
    /// recovery key as it is.
    /// - Throws: `.exists` when one of the files is there already; then none is written.
    public static func splitRecoveryKey(
        file: String, needed: Int, of count: Int, directory: String
    ) throws(LifeboatError) -> RecoveryKeySplitResult {
        guard (1...largestPartCount).contains(count), (1...count).contains(needed) else {
            throw LifeboatError(
                .usage, "a recovery key has 1 to \(largestPartCount) parts, and needs no more")
        }
        let key = try RecoveryKey(file: file)
        let files = (1...count).map { recoveryPartFile($0, in: directory) }
        for file in files where Files.exists(file) {
            throw LifeboatError(
                .exists, "\(file) exists already and is not overwritten", subject: file,
                advice: "it may be a part of another key; choose another directory")
        }
        try Files.makeDirectories(directory)
        let parts = key.split(needed: needed, of: count)
        var written: [String] = []
        do throws(LifeboatError) {
            for (part, file) in zip(parts, files) {
                try Files.writeAtomically(file, Array(part.file.utf8), mode: 0o600, replace: false)
                written.append(file)
            }
        } catch {
            // Half a set would look like a whole one.
            for file in written { try? Files.remove(file) }
            throw error
        }
        return RecoveryKeySplitResult(
            repository: key.repository, set: parts.first?.setText ?? "", needed: needed,
            parts: zip(parts, files).map { part, file in
                RecoveryKeySplitResult.Part(
                    number: part.number, file: file, lines: part.lines, code: part.code)
            })
    }

    /// Joins parts to the recovery key, in a new file that only its owner reads.
    ///
    /// Needs no repository.
    /// - Throws: `.wrongKey` that says what is wrong with a part; `.refused` when they are not
    ///   enough different parts of one set; `.exists` when the new file is there already.
    public static func joinRecoveryKey(
        parts files: [String], recoveryKeyFile: String
    ) throws(LifeboatError) -> RecoveryKeyJoinResult {
        guard !Files.exists(recoveryKeyFile) else {
            throw LifeboatError(
                .exists, "the recovery key file exists already", subject: recoveryKeyFile,
                advice: "it may be the only key to another repository; choose another name")
        }
        var parts: [(name: String, part: RecoveryKeyPart)] = []
        for file in files {
            let text = String(decoding: try Files.readWhole(file, limit: 65536), as: UTF8.self)
            do throws(LifeboatError) {
                parts.append((file, try RecoveryKeyPart(parsing: text)))
            } catch {
                throw error.about(file)
            }
        }
        let set = try RecoveryKeyPartSet(parts)
        let key = try RecoveryKey(joining: set)
        try Files.writeAtomically(
            recoveryKeyFile, Array(RecoveryKeyText.file(key.bytes).utf8), mode: 0o600,
            replace: false)
        return RecoveryKeyJoinResult(
            repository: set.repository, set: set.set, needed: set.needed, total: set.total,
            parts: set.parts.map(\.number), recoveryKeyFile: recoveryKeyFile)
    }
}
