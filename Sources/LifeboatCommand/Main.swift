import ArgumentParser
import Glibc
import LifeboatSystem

/// Where the process begins: arguments in, an exit code out.
@main
enum Main {
    static func main() {
        Hardening.apply(environment: .current)
        Files.raiseOpenFileLimit()
        let arguments = Array(CommandLine.arguments.dropFirst())
        do {
            var command = try RootCommand.parseAsRoot(arguments)
            try command.run()
        } catch let code as ExitCode {
            exit(code.rawValue)
        } catch {
            exit(ParsingReport(error, arguments: arguments).tell().rawValue)
        }
    }
}
