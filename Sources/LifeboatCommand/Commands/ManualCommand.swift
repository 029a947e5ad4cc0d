import ArgumentParser
import Foundation
import LifeboatCore

/// `manual`: writes the man pages.
struct ManualCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "manual",
        abstract: "Print or write the manual pages.",
        discussion: """
            Without --output all pages are printed one after the other. With it they go to \
            lifeboat.1, lifeboat-backup.1 and so on in a directory, over older ones.

            Example:

              lifeboat manual --output /usr/local/share/man/man1
            """)

    @Option(
        help: ArgumentHelp("A directory for the pages; made if need be.", valueName: "dir"),
        completion: .directory)
    var output: String?

    func run() throws {
        do {
            let pages = try ManualPage.all()
            guard let output else {
                StandardStream.output.write(pages.map(\.text).joined())
                return
            }
            let directory = URL(fileURLWithPath: output, isDirectory: true)
            try FileManager.default.createDirectory(
                at: directory, withIntermediateDirectories: true)
            for page in pages {
                let file = directory.appendingPathComponent(page.fileName)
                try Data(page.text.utf8).write(to: file, options: .atomic)
            }
        } catch {
            StandardStream.error.write("lifeboat: cannot write the manual: \(error)\n")
            throw ExitCode(ExitStatus.failure.rawValue)
        }
    }
}
