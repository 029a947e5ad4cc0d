/// Text as the man macros of roff want it.
struct Roff {
    private(set) var text = ""

    /// A macro with arguments, each quoted where it has spaces.
    mutating func macro(_ name: String, _ arguments: String...) {
        let words = arguments.map { $0.contains(" ") || $0.isEmpty ? "\"\($0)\"" : $0 }
        text += ([".\(name)"] + words).joined(separator: " ") + "\n"
    }

    /// A line of text that is escaped already.
    mutating func raw(_ line: String) { text += line + "\n" }

    /// A line of plain text.
    mutating func line(_ plain: String) { raw(Self.escape(plain)) }

    /// Paragraphs, divided by empty lines; lines that begin with spaces are examples.
    mutating func paragraphs(_ plain: String) {
        var isExample = false
        for row in plain.split(separator: "\n", omittingEmptySubsequences: false) {
            let indented = row.hasPrefix("  ")
            if isExample, !indented {
                macro("EE")
                macro("RE")
                isExample = false
            }
            if row.isEmpty { continue }
            if indented {
                if !isExample {
                    macro("RS", "4")
                    macro("EX")
                }
                isExample = true
                line(String(row.drop { $0 == " " }))
            } else {
                macro("PP")
                line(String(row))
            }
        }
        if isExample {
            macro("EE")
            macro("RE")
        }
    }

    /// Protects backslashes, hyphens that people copy, quotes, and a control character in front.
    static func escape(_ plain: String) -> String {
        var result = ""
        for character in plain {
            switch character {
            case "\\": result += "\\e"
            case "-": result += "\\-"
            case "\"": result += "\\(dq"
            case "~": result += "\\(ti"
            case "^": result += "\\(ha"
            case "`": result += "\\(ga"
            case "'": result += "\\(aq"
            default: result.append(character)
            }
        }
        return result.hasPrefix(".") ? "\\&" + result : result
    }

    static func bold(_ plain: String) -> String { "\\fB\(escape(plain))\\fR" }
    static func italic(_ plain: String) -> String { "\\fI\(escape(plain))\\fR" }
}
