import ArgumentParser
import Foundation
import Lifeboat
import LifeboatCore

/// `key split`: parts of the recovery key, so that no single place holds it.
struct KeySplitCommand: Subcommand {
    static let configuration = CommandConfiguration(
        commandName: "split", abstract: "Split the recovery key into parts.",
        discussion: """
            Writes each part to a new file, recovery-part-1.txt and so on, of mode 0600, and next \
            to it a page to print, recovery-part-1.html. As many parts as are needed make the \
            recovery key again; fewer tell nothing about it. It needs no repository, and the \
            recovery key itself stays as it is: destroy it where only the parts shall be left.

            Example, to give five people a part each, of whom any three can restore:

              lifeboat key split --recovery-key-file K --parts 5 --needed 3 --directory DIR
            """)

    @Option(
        name: .customLong("recovery-key-file"),
        help: ArgumentHelp("The recovery key that init wrote.", valueName: "file"),
        completion: .file())
    var recoveryKeyFile: String

    @Option(help: ArgumentHelp("How many parts to make, at most 16.", valueName: "count"))
    var parts: Int

    @Option(
        help: ArgumentHelp("How many parts make the recovery key again.", valueName: "count"))
    var needed: Int

    @Option(
        help: ArgumentHelp(
            "Where the parts are written; made if it is missing.", valueName: "directory"),
        completion: .directory)
    var directory: String

    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard (1...Operations.largestPartCount).contains(parts) else {
            throw ValidationError("--parts must be from 1 to \(Operations.largestPartCount)")
        }
        guard (1...parts).contains(needed) else {
            throw ValidationError("--needed must be from 1 to the number of parts")
        }
        if directory.isEmpty { throw ValidationError("--directory must name a directory") }
    }

    func perform(_ run: Invocation) throws(LifeboatError) -> Report {
        for number in 1...parts {
            let page = page(Operations.recoveryPartFile(number, in: directory))
            guard !LocalFile.exists(page) else {
                throw LifeboatError(
                    .exists, "\(page) exists already and is not overwritten", subject: page,
                    advice: "choose another directory, or move this file away")
            }
        }
        let result = try Operations.splitRecoveryKey(
            file: recoveryKeyFile, needed: needed, of: parts, directory: directory)
        let now = UInt64(max(0, Date().timeIntervalSince1970 * 1000))
        let pages = result.parts.map { part -> String? in
            let path = page(part.file)
            do throws(LifeboatError) {
                try LocalFile.writeNew(path, try RecoveryPage(part, of: result, time: now).html())
                return path
            } catch {
                run.console.warn("a page to print could not be made: \(error)")
                return nil
            }
        }
        return Report(split: result, pages: pages, recoveryKeyFile: recoveryKeyFile)
    }

    private func page(_ file: String) -> String {
        (file.hasSuffix(".txt") ? String(file.dropLast(4)) : file) + ".html"
    }
}
