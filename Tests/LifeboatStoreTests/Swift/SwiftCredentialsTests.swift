import LifeboatCore
import Testing

@testable import LifeboatStore

private let keystone = [
    "OS_AUTH_URL": "https://keystone:5000", "OS_USERNAME": "u", "OS_PASSWORD": "p",
    "OS_PROJECT_NAME": "j",
]
private let credential = [
    "OS_AUTH_URL": "https://keystone:5000/v3/", "OS_AUTH_TYPE": "v3applicationcredential",
    "OS_APPLICATION_CREDENTIAL_ID": "i", "OS_APPLICATION_CREDENTIAL_SECRET": "s",
]
private let tempAuth = [
    "ST_AUTH": "http://swift:8080/auth/v1.0", "ST_USER": "test:tester", "ST_KEY": "testing",
]

private func find(
    _ environment: [String: String], _ location: String = "swift:b",
    files: [String: String] = [:]
) throws -> SwiftCredentials {
    try SwiftCredentials.find(for: SwiftLocation(location), environment, home: "/home/u") { path in
        files[path].map { Array($0.utf8) }
    }
}

private func refusal(
    _ environment: [String: String], _ location: String = "swift:b",
    files: [String: String] = [:]
) -> LifeboatError? {
    do {
        _ = try find(environment, location, files: files)
        return nil
    } catch { return error as? LifeboatError }
}

private func user(_ domain: KeystoneIdentity.Domain = .id("default")) -> KeystoneIdentity.Name {
    .name("u", domain: domain)
}

private func with(
    _ base: [String: String], _ more: [String: String]
) -> [String: String] { base.merging(more) { $1 } }

@Suite struct SwiftCredentialsTests {
    @Test func `a password of Keystone`() throws {
        let found = try find(keystone)
        #expect(found.authURL == "https://keystone:5000/v3")
        #expect(found.interface == "public")
        #expect(
            found.identity
                == .keystone(
                    .password(
                        SecretText("p"), user: user(),
                        project: .name("j", domain: .id("default")))))
    }

    @Test(arguments: [
        (["OS_USER_DOMAIN_NAME": "D"], KeystoneIdentity.Name.name("u", domain: .name("D"))),
        (["OS_USER_DOMAIN_NAME": "D", "OS_USER_DOMAIN_ID": "d"], .name("u", domain: .id("d"))),
        (["OS_DEFAULT_DOMAIN": "e"], .name("u", domain: .id("e"))),
        (["OS_USER_ID": "7"], .id("7")), (["OS_USER_DOMAIN_NAME": ""], user()),
    ]) func `users have domains`(more: [String: String], expected: KeystoneIdentity.Name) throws {
        let found = try find(with(keystone, more))
        guard case .keystone(.password(_, let user, _)) = found.identity else {
            Issue.record("no password")
            return
        }
        #expect(user == expected)
    }

    @Test(arguments: [
        (["OS_PROJECT_DOMAIN_NAME": "P"], KeystoneIdentity.Name.name("j", domain: .name("P"))),
        (["OS_PROJECT_ID": "9"], .id("9")), (["OS_TENANT_ID": "8"], .id("8")),
        (["OS_PROJECT_NAME": "", "OS_TENANT_NAME": "t"], .name("t", domain: .id("default"))),
    ]) func `projects have domains`(
        more: [String: String], expected: KeystoneIdentity.Name
    ) throws {
        let found = try find(with(keystone, more))
        guard case .keystone(.password(_, _, let project)) = found.identity else {
            Issue.record("no password")
            return
        }
        #expect(project == expected)
    }

    @Test(arguments: [
        (credential, KeystoneIdentity.Credential.id("i")),
        (with(credential, ["OS_AUTH_TYPE": ""]), .id("i")),
        (with(credential, keystone).filter { $0.key != "OS_AUTH_TYPE" }, .id("i")),
        (
            with(
                credential,
                [
                    "OS_APPLICATION_CREDENTIAL_ID": "", "OS_APPLICATION_CREDENTIAL_NAME": "n",
                    "OS_USERNAME": "u",
                ]), .name("n", user: user())
        ),
    ]) func `application credentials`(
        environment: [String: String], expected: KeystoneIdentity.Credential
    ) throws {
        let found = try find(environment)
        #expect(found.authURL == "https://keystone:5000/v3")
        #expect(
            found.identity == .keystone(.applicationCredential(expected, secret: SecretText("s"))))
    }

    @Test(arguments: [
        tempAuth,
        [
            "OS_AUTH_TYPE": "v1password", "OS_AUTH_URL": "http://swift:8080/auth/v1.0/",
            "OS_USERNAME": "test:tester", "OS_PASSWORD": "testing",
        ],
        [
            "OS_AUTH_URL": "http://swift:8080/auth/v1.0", "OS_USERNAME": "test:tester",
            "OS_PASSWORD": "testing",
        ],
    ]) func `Swift's own authentication`(environment: [String: String]) throws {
        let found = try find(environment)
        #expect(found.authURL == "http://swift:8080/auth/v1.0")
        #expect(found.identity == .legacy(user: "test:tester", key: SecretText("testing")))
    }

    @Test func `a token that somebody else got`() throws {
        let found = try find(["OS_STORAGE_URL": "https://swift/v1/A", "OS_AUTH_TOKEN": "t"])
        #expect(found.identity == .token(SecretText("t")))
        #expect(found.storageURL == "https://swift/v1/A")
    }

    @Test(arguments: [
        (["OS_INTERFACE": "internal"], "internal", "R", "/ca"),
        (["OS_ENDPOINT_TYPE": "adminURL"], "admin", "R", "/ca"),
        (["OS_INTERFACE": "internal", "OS_ENDPOINT_TYPE": "adminURL"], "internal", "R", "/ca"),
        (["OS_CACERT": "~/ca.pem"], "public", "R", "/home/u/ca.pem"),
    ]) func `addresses and certificates`(
        more: [String: String], interface: String, region: String, certificates: String
    ) throws {
        let base = with(keystone, ["OS_REGION_NAME": "R", "OS_CACERT": "/ca"])
        let found = try find(with(base, more))
        #expect(found.interface == interface)
        #expect(found.region == region)
        #expect(found.caFile == certificates)
        #expect(try find(with(base, more), "swift:b?region=S").region == "S")
    }

    private static let clouds = """
        clouds:
          north:
            auth: {auth_url: "https://north", username: u, password: n, project_name: j}
          south:
            auth: {auth_url: "https://south", username: u, project_name: j}
            region_name: S
        """
    private static let file = "/etc/openstack/clouds.yaml"

    /// Which source counts where there are several.
    @Test(arguments: [
        (with(keystone, tempAuth), "swift:b", "https://keystone:5000/v3"),
        (with(keystone, ["OS_CLOUD": "north"]), "swift:b", "https://north/v3"),
        (keystone, "swift:b?cloud=north", "https://north/v3"),
        (with(keystone, ["OS_CLOUD": "north"]), "swift:b?cloud=south", "https://south/v3"),
        (with(tempAuth, ["OS_CLOUD": ""]), "swift:b", "http://swift:8080/auth/v1.0"),
    ]) func `precedence`(environment: [String: String], location: String, url: String) throws {
        let found = try find(environment, location, files: [Self.file: Self.clouds])
        #expect(found.authURL == url)
    }

    @Test func `variables say what a cloud leaves out, and nothing else`() throws {
        let south = try find(
            with(keystone, ["OS_REGION_NAME": "R", "OS_CACERT": "/ca"]), "swift:b?cloud=south",
            files: [Self.file: Self.clouds])
        #expect(south.region == "S")
        #expect(south.caFile == "/ca")
        guard case .keystone(.password(let password, _, _)) = south.identity else {
            Issue.record("no password")
            return
        }
        #expect(password == SecretText("p"))
        let north = try find(keystone, "swift:b?cloud=north", files: [Self.file: Self.clouds])
        guard case .keystone(.password(let other, _, _)) = north.identity else { return }
        #expect(other == SecretText("n"))
    }

    @Test(arguments: [
        ("OS_AUTH_URL", LifeboatError.Code.usage), ("OS_USERNAME", .usage),
        ("OS_PASSWORD", .usage), ("OS_PROJECT_NAME", .usage),
    ]) func `what is missing is named`(name: String, expected: LifeboatError.Code) {
        let error = refusal(keystone.filter { $0.key != name })
        #expect(error?.code == expected)
        #expect(error?.advice?.contains(name) == true, "\(error?.description ?? "no error")")
    }

    @Test(arguments: [
        ([:], "swift:b", LifeboatError.Code.usage),
        (["OS_CLOUD": "west"], "swift:b", .usage), (keystone, "swift:b?cloud=west", .usage),
        (with(keystone, ["OS_AUTH_TYPE": "v3oidcpassword"]), "swift:b", .unsupported),
        (with(keystone, ["OS_AUTH_URL": "keystone:5000"]), "swift:b", .usage),
    ]) func `what cannot be used is refused`(
        environment: [String: String], location: String, expected: LifeboatError.Code
    ) {
        #expect(refusal(environment, location)?.code == expected)
        #expect(
            refusal(environment, location, files: [Self.file: Self.clouds])?.code == expected)
    }

    @Test func `secrets are in no text`() throws {
        for environment in [
            with(keystone, ["OS_PASSWORD": "hush-hush"]),
            with(credential, ["OS_APPLICATION_CREDENTIAL_SECRET": "hush-hush"]),
            with(tempAuth, ["ST_KEY": "hush-hush"]),
            ["OS_STORAGE_URL": "https://swift/v1/A", "OS_AUTH_TOKEN": "hush-hush"],
        ] {
            let found = try find(environment)
            var dump = ""
            Swift.dump(found, to: &dump)
            for text in ["\(found)", String(reflecting: found), dump] {
                #expect(!text.contains("hush"))
            }
            let settings = CloudSettings(environment: environment)
            #expect(!"\(settings)".contains("hush"))
        }
    }
}
