import LifeboatCore
/// A man page, made from the definitions that the parser uses.
struct ManualPage {
    var fileName: String
    var text: String

    /// `lifeboat.1`, and one page for each of its commands.
    static func all() throws -> [ManualPage] {
        let root = try ToolDescription.current().command
        let commands = root.visibleSubcommands
        let names = [root.commandName] + commands.map { "\(root.commandName)-\($0.commandName)" }
        var pages = [page(root, path: [], isRoot: true, others: names)]
        pages += commands.map {
            page($0, path: [root.commandName], isRoot: false, others: names)
        }
        return pages
    }

    private static func page(
        _ command: ToolDescription.Command, path: [String], isRoot: Bool, others: [String]
    ) -> ManualPage {
        let name = (path + [command.commandName]).joined(separator: "-")
        var roff = Roff()
        roff.macro(
            "TH", Roff.escape(name.uppercased()), "1", "",
            "lifeboat \(Version.number)", "User Commands")
        roff.macro("SH", "NAME")
        roff.raw("\(Roff.escape(name)) \\- \(Roff.escape(headline(command)))")
        roff.macro("SH", "SYNOPSIS")
        synopsis(command, path: path, &roff)
        roff.macro("SH", "DESCRIPTION")
        roff.paragraphs(isRoot ? RootCommand.introduction : command.discussion ?? headline(command))
        if !command.visibleSubcommands.isEmpty {
            roff.macro("SH", "COMMANDS")
            for subcommand in command.visibleSubcommands {
                describe(subcommand, path: path + [command.commandName], isRoot: isRoot, &roff)
            }
        }
        options(command.visibleArguments, heading: "SH", &roff)
        environment(&roff)
        exitStatus(&roff)
        roff.macro("SH", "SEE ALSO")
        let references = others.filter { $0 != name }.map { Roff.bold($0) + "(1)" }
        roff.raw(references.joined(separator: ",\n"))
        return ManualPage(fileName: name + ".1", text: roff.text)
    }

    /// The abstract as man pages have it: lower case, no full stop.
    private static func headline(_ command: ToolDescription.Command) -> String {
        var text = command.abstract ?? command.commandName
        if text.hasSuffix(".") { text.removeLast() }
        return text.prefix(1).lowercased() + text.dropFirst()
    }

    private static func synopsis(
        _ command: ToolDescription.Command, path: [String], _ roff: inout Roff
    ) {
        let full = (path + [command.commandName]).joined(separator: " ")
        guard command.visibleSubcommands.isEmpty else {
            roff.raw("\(Roff.bold(full)) \(Roff.italic("command")) [\(Roff.italic("options"))]")
            return
        }
        var words = [Roff.bold(full), "[\(Roff.italic("options"))]"]
        for argument in command.visibleArguments where !argument.isOptional || argument.isPositional
        {
            var word = Roff.italic(argument.value.uppercased())
            if let name = argument.names?.last, !argument.isPositional {
                word = "\(Roff.bold(name.text)) \(Roff.italic(argument.value))"
            }
            if argument.isRepeating { word += "..." }
            words.append(argument.isOptional ? "[\(word)]" : word)
        }
        roff.raw(words.joined(separator: " "))
    }

    private static func describe(
        _ command: ToolDescription.Command, path: [String], isRoot: Bool, _ roff: inout Roff
    ) {
        guard !isRoot else {
            roff.macro("TP")
            roff.raw(Roff.bold((path + [command.commandName]).joined(separator: "-")) + "(1)")
            roff.line(command.abstract ?? "")
            return
        }
        roff.macro("SS", command.commandName)
        synopsis(command, path: path, &roff)
        roff.paragraphs(command.abstract ?? "")
        roff.paragraphs(command.discussion ?? "")
        options(command.visibleArguments, heading: nil, &roff)
    }

    private static func options(
        _ arguments: [ToolDescription.Argument], heading: String?, _ roff: inout Roff
    ) {
        guard !arguments.isEmpty else { return }
        if let heading { roff.macro(heading, "OPTIONS") }
        for argument in arguments {
            roff.macro("TP")
            if argument.isPositional {
                roff.raw(Roff.italic(argument.value.uppercased()))
            } else {
                let names = (argument.names ?? []).map { Roff.bold($0.text) }.joined(
                    separator: ", ")
                roff.raw(argument.isFlag ? names : "\(names) \(Roff.italic(argument.value))")
            }
            var meaning = argument.abstract ?? ""
            if let value = argument.defaultValue, !argument.isFlag {
                meaning += (meaning.isEmpty ? "" : " ") + "Default: \(value)."
            }
            roff.line(meaning)
        }
    }

    private static func environment(_ roff: inout Roff) {
        roff.macro("SH", "ENVIRONMENT")
        for variable in EnvironmentVariable.allCases {
            roff.macro("TP")
            roff.raw(Roff.bold(variable.rawValue))
            roff.line(variable.meaning)
        }
    }

    private static func exitStatus(_ roff: inout Roff) {
        roff.macro("SH", "EXIT STATUS")
        for status in ExitStatus.allCases {
            roff.macro("TP", "6")
            roff.raw(String(status.rawValue))
            roff.line(status.meaning)
        }
    }
}
