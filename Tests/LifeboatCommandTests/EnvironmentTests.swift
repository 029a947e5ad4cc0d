import ArgumentParser
import LifeboatCore
import Testing

@testable import LifeboatCommand

@Suite struct EnvironmentTests {
    private func environment(_ variables: [String: String], root: Bool = false) -> Environment {
        Environment(variables: variables, isRoot: root)
    }

    @Test func `directories come from option, variable, user and home in turn`() throws {
        var variables = ["HOME": "/home/a"]
        let home = environment(variables)
        #expect(try home.stateDirectory(option: nil) == "/home/a/.local/state/lifeboat")
        #expect(try home.cacheDirectory(option: nil) == "/home/a/.cache/lifeboat")
        variables["XDG_STATE_HOME"] = "relative"
        variables["XDG_CACHE_HOME"] = "/xdg"
        let xdg = environment(variables)
        #expect(try xdg.stateDirectory(option: nil) == "/home/a/.local/state/lifeboat")
        #expect(try xdg.cacheDirectory(option: nil) == "/xdg/lifeboat")
        let root = environment(variables, root: true)
        #expect(try root.stateDirectory(option: nil) == "/var/lib/lifeboat")
        #expect(try root.cacheDirectory(option: nil) == "/var/cache/lifeboat")
        variables["LIFEBOAT_STATE_DIR"] = "/state"
        let set = environment(variables, root: true)
        #expect(try set.stateDirectory(option: nil) == "/state")
        #expect(try set.stateDirectory(option: "/mine") == "/mine")
        #expect(throws: LifeboatError.self) { try environment([:]).stateDirectory(option: nil) }
    }

    @Test func `links are described for the user, for the host, or where it is said`() {
        var variables = ["HOME": "/home/a"]
        func paths(_ option: String? = nil, root: Bool = false) -> [String] {
            environment(variables, root: root).linkFiles(option: option).paths
        }
        let host = "/etc/lifeboat/links.yaml"
        #expect(paths() == ["/home/a/.config/lifeboat/links.yaml", host])
        #expect(paths(root: true) == [host])
        variables["XDG_CONFIG_HOME"] = "/xdg"
        #expect(paths() == ["/xdg/lifeboat/links.yaml", host])
        #expect(!environment(variables).linkFiles(option: nil).isNeeded)
        variables["LIFEBOAT_LINKS"] = "/l"
        #expect(paths(root: true) == ["/l"] && paths("/mine") == ["/mine"])
        #expect(environment(variables).linkFiles(option: nil).isNeeded)
    }

    @Test func `stores get their own variables only`() {
        let found = environment([
            "HOME": "/home/a", "AWS_PROFILE": "p", "OS_CLOUD": "c", "LIFEBOAT_PASSWORD_FILE": "f",
            "PATH": "/bin", "LIFEBOAT_RETRIES": "2",
        ]).forStores
        #expect(
            found == [
                "HOME": "/home/a", "AWS_PROFILE": "p", "OS_CLOUD": "c", "LIFEBOAT_RETRIES": "2",
            ])
    }

    @Test func `a location that holds credentials is refused at once`() throws {
        let given = try RepositoryOptions.parse(["--repo", "s3:https://me:hunter2@host/bucket"])
        let error = try #require(throws: LifeboatError.self) {
            try given.location(environment([:]))
        }
        #expect(error.code == .usage && !error.description.contains("hunter2"))
    }

    @Test func `the repository comes from the option or the variable`() throws {
        let given = try RepositoryOptions.parse(["--repo", "/a"])
        let open = try RepositoryOptions.parse([])
        let variables = environment(["LIFEBOAT_REPO": "/b"])
        #expect(try given.location(variables) == "/a")
        #expect(try open.location(variables) == "/b")
        let error = #expect(throws: LifeboatError.self) { try open.location(environment([:])) }
        #expect(error?.code == .usage)
    }

    @Test func `secrets have an order`() throws {
        let all = environment(["LIFEBOAT_PASSWORD_FILE": "/p", "LIFEBOAT_KEY_FILE": "/k"])
        let keyOnly = environment(["LIFEBOAT_KEY_FILE": "/k"])
        let none = environment([:])
        let open = try SecretOptions.parse([])
        func source(_ options: SecretOptions, _ key: String?, _ from: Environment) -> SecretSource {
            SecretSource(options, recoveryKeyFile: key, environment: from)
        }
        let file = try SecretOptions.parse(["--password-file", "f"])
        let command = try SecretOptions.parse(["--password-command", "c"])
        let keyFile = try SecretOptions.parse(["--key-file", "x"])
        #expect(source(file, "r", all) == .passwordFile("f"))
        #expect(source(command, "r", all) == .passwordCommand("c"))
        #expect(source(keyFile, "r", all) == .keyFile("x"))
        #expect(source(open, "r", all) == .passwordFile("/p"))
        #expect(source(open, "r", keyOnly) == .keyFile("/k"))
        #expect(source(open, "r", none) == .recoveryKey("r"))
        #expect(source(open, nil, none) == .terminal)
    }

    @Test func `how long libguestfs may take is a number of seconds`() throws {
        let variable = "LIFEBOAT_APPLIANCE_TIMEOUT"
        #expect(try environment([:]).applianceSeconds() == nil)
        #expect(try environment([variable: ""]).applianceSeconds() == nil)
        #expect(try environment([variable: "7"]).applianceSeconds() == 7)
        for wrong in ["0", "86401", "1.5", "soon"] {
            #expect(throws: LifeboatError(.usage, "", subject: variable)) {
                try environment([variable: wrong]).applianceSeconds()
            }
        }
    }
}
