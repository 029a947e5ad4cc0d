import Foundation
import Lifeboat
import LifeboatCore

/// The page to print: the recovery key as lines to retype and as a QR code to scan.
///
/// It stands alone: no scripts, no fonts, no images from elsewhere.
struct RecoveryPage {
    var repository: String
    var location: String
    var fingerprint: String
    var lines: [String]
    var code: String
    /// Milliseconds since 1970.
    var time: UInt64

    init(_ result: InitialisationResult, time: UInt64) {
        repository = result.repository.hex
        location = result.location
        fingerprint = result.fingerprint
        lines = result.recoveryKeyLines
        code = result.recoveryKeyCode
        self.time = time
    }

    init(_ result: RotationResult, time: UInt64) {
        repository = result.repository.hex
        location = result.location
        fingerprint = result.fingerprint
        lines = result.recoveryKeyLines
        code = result.recoveryKeyCode
        self.time = time
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

    func html() throws(LifeboatError) -> String {
        let drawing = try QRCode(code).svg
        let rows = lines.map { "<li>\(Self.escape($0))</li>" }.joined(separator: "\n")
        return """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <title>Lifeboat recovery key</title>
            <style>
            \(Self.style)
            </style>
            </head>
            <body>
            <h1>Lifeboat recovery key</h1>
            <p class="warning">Secret. Whoever holds this page and the repository can read every
            backup in it. Whoever loses it can read none. Keep it like the deeds of a house.</p>
            <table>
            <tr><th>Repository</th><td>\(Self.escape(repository))</td></tr>
            <tr><th>Fingerprint</th><td>\(Self.escape(fingerprint))</td></tr>
            <tr><th>Made at</th><td>\(Self.escape(location))</td></tr>
            <tr><th>Made on</th><td>\(TimeText.date(time))</td></tr>
            </table>
            <ol class="key">
            \(rows)
            </ol>
            <div class="code">\(drawing)</div>
            <h2>To restore from this page</h2>
            <ol>
            <li>Make a text file with six lines: first <code>\(Self.title)</code>, then the five
            lines above as they stand, numbers included. The last group of each line is a
            checksum: lifeboat names a mistyped line. Or scan the code, and save its text as the
            file.</li>
            <li>Run <code>lifeboat points --repo REPOSITORY --recovery-key-file FILE</code> to see
            what there is.</li>
            <li>Run <code>lifeboat restore POINT TARGET --repo REPOSITORY --recovery-key-file
            FILE</code>. No password is needed.</li>
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
