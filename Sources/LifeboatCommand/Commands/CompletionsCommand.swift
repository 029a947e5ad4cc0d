import ArgumentParser

/// `completions`: prints a completion script for a shell.
struct CompletionsCommand: ParsableCommand {
    enum Shell: String, ExpressibleByArgument, CaseIterable {
        case bash, zsh, fish

        /// The completion script, from the same definitions as the parser.
        var script: String {
            let shell: CompletionShell =
                switch self {
                case .bash: .bash
                case .zsh: .zsh
                case .fish: .fish
                }
            return RootCommand.completionScript(for: shell)
        }
    }

    static let configuration = CommandConfiguration(
        commandName: "completions",
        abstract: "Print a completion script for a shell.",
        discussion: """
            Example:

              lifeboat completions bash > /etc/bash_completion.d/lifeboat
            """)

    @Argument(help: "The shell: bash, zsh or fish.")
    var shell: Shell

    func run() throws {
        let script = shell.script
        guard StandardStream.output.write(script.hasSuffix("\n") ? script : script + "\n") else {
            throw ExitCode(ExitStatus.failure.rawValue)
        }
    }
}
