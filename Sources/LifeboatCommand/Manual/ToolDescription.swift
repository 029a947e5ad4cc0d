import ArgumentParser
import Foundation

/// The commands and their arguments, as the parser itself describes them.
struct ToolDescription: Decodable {
    struct Command: Decodable {
        var commandName: String
        var abstract: String?
        var discussion: String?
        var shouldDisplay: Bool?
        var subcommands: [Command]?
        var arguments: [Argument]?
    }

    struct Argument: Decodable {
        struct Name: Decodable {
            var kind: String
            var name: String

            /// `-r` or `--repo`.
            var text: String { (kind == "long" ? "--" : "-") + name }
        }

        var kind: String
        var shouldDisplay: Bool
        var sectionTitle: String?
        var isOptional: Bool
        var isRepeating: Bool
        var names: [Name]?
        var valueName: String?
        var defaultValue: String?
        var abstract: String?

        var isPositional: Bool { kind == "positional" }
        var isFlag: Bool { kind == "flag" }
        var value: String { valueName ?? "value" }
    }

    var command: Command

    /// The description of `lifeboat` itself.
    static func current() throws -> ToolDescription {
        let json = Data(RootCommand._dumpHelp().utf8)
        return try JSONDecoder().decode(ToolDescription.self, from: json)
    }
}

extension ToolDescription.Command {
    /// Subcommands that people see; `help` explains itself.
    var visibleSubcommands: [ToolDescription.Command] {
        (subcommands ?? []).filter { $0.commandName != "help" && $0.shouldDisplay != false }
    }

    var visibleArguments: [ToolDescription.Argument] {
        (arguments ?? []).filter(\.shouldDisplay)
    }
}
