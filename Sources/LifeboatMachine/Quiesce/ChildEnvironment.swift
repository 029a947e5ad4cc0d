import Foundation

/// The environment of programs that Lifeboat starts and that need none of its secrets.
enum ChildEnvironment {
    private static let prefixes = ["LIFEBOAT_", "AWS_", "OS_"]

    static func withoutSecrets() -> [String: String] {
        ProcessInfo.processInfo.environment.filter { name, _ in
            !prefixes.contains { name.hasPrefix($0) }
        }
    }
}
