import Foundation
import Lifeboat
import LifeboatCore

/// A page to print: a recovery key or a part of one, as lines to retype and as a QR code to scan.
///
/// It stands alone: no scripts, no fonts, no images from elsewhere.
struct RecoveryPage {
    /// The page's title and first heading.
    var heading: String
    /// What it means to hold or to lose this page, as HTML.
    var warning: String
    /// What is known of it, by name.
    var facts: [(name: String, value: String)]
    var lines: [String]
    var code: String
    /// The heading above what to do with the page.
    var purpose: String
    /// What to do with it, as HTML.
    var steps: [String]

    init(_ result: RotationResult, time: UInt64) {
        self.init(
            repository: result.repository, location: result.location,
            fingerprint: result.fingerprint, lines: result.recoveryKeyLines,
            code: result.recoveryKeyCode, time: time)
    }

    init(_ result: InitialisationResult, time: UInt64) {
        self.init(
            repository: result.repository, location: result.location,
            fingerprint: result.fingerprint, lines: result.recoveryKeyLines,
            code: result.recoveryKeyCode, time: time)
    }

    /// Milliseconds since 1970.
    static var now: UInt64 { UInt64(max(0, Date().timeIntervalSince1970 * 1000)) }

    /// Writes the page to a new file; `nil` when it could not be, which undoes nothing.
    func write(_ path: String, _ console: Console) -> String? {
        do throws(LifeboatError) {
            try LocalFile.writeNew(path, try html())
            return path
        } catch {
            console.warn("the page to print could not be made: \(error)")
            return nil
        }
    }

    /// The first line of a recovery key file.
    static let title = "lifeboat recovery key 0"

    private init(
        repository: Identifier, location: String, fingerprint: String, lines: [String],
        code: String, time: UInt64
    ) {
        heading = "Lifeboat recovery key"
        warning = """
            Secret. Whoever holds this page and the repository can read every
            backup in it. Whoever loses it can read none. Keep it like the deeds of a house.
            """
        facts = [
            ("Repository", repository.hex), ("Fingerprint", fingerprint),
            ("Made at", location), ("Made on", TimeText.date(time)),
        ]
        self.lines = lines
        self.code = code
        purpose = "To restore from this page"
        steps = [
            """
            Make a text file with six lines: first <code>\(Self.title)</code>, then the five
            lines above as they stand, numbers included. The last group of each line is a
            checksum: lifeboat names a mistyped line. Or scan the code, and save its text as the
            file.
            """,
            """
            Run <code>lifeboat points --repo REPOSITORY --recovery-key-file FILE</code> to see
            what there is.
            """,
            """
            Run <code>lifeboat restore POINT TARGET --repo REPOSITORY --recovery-key-file
            FILE</code>. No password is needed.
            """,
        ]
    }

    func html() throws(LifeboatError) -> String {
        let drawing = try QRCode(code).svg
        let table = facts.map {
            "<tr><th>\(Self.escape($0.name))</th><td>\(Self.escape($0.value))</td></tr>"
        }.joined(separator: "\n")
        let rows = lines.map { "<li>\(Self.escape($0))</li>" }.joined(separator: "\n")
        let todo = steps.map { "<li>\($0)</li>" }.joined(separator: "\n")
        return """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <title>\(Self.escape(heading))</title>
            <style>
            \(Self.style)
            </style>
            </head>
            <body>
            <h1>\(Self.escape(heading))</h1>
            <p class="warning">\(warning)</p>
            <table>
            \(table)
            </table>
            <ol class="key">
            \(rows)
            </ol>
            <div class="code">\(drawing)</div>
            <h2>\(Self.escape(purpose))</h2>
            <ol>
            \(todo)
            </ol>
            </body>
            </html>

            """
    }

    private static let style = """
        @page { margin: 15mm; }
        body { font: 11pt/1.4 sans-serif; color: #000; background: #fff; max-width: 180mm;
          margin: 8mm auto; }
        h1 { font-size: 20pt; margin: 0 0 4mm; }
        h2 { font-size: 13pt; margin: 6mm 0 2mm; }
        .warning { border: 1.5pt solid #000; padding: 2mm 3mm; font-weight: bold; }
        th { text-align: left; padding-right: 6mm; font-weight: normal; }
        td, code, .key { font-family: monospace; }
        .key { list-style: none; padding: 0; margin: 6mm 0; font-size: 13pt; line-height: 1.8;
          white-space: pre; }
        .code svg { width: 70mm; height: 70mm; }
        .key, .code, table { break-inside: avoid; }
        """

    private static func escape(_ text: String) -> String {
        var result = ""
        for character in text {
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            default: result.append(character)
            }
        }
        return result
    }
}
