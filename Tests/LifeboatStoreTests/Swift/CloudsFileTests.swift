import LifeboatCore
import Testing

@testable import LifeboatStore

private func file(
    _ files: [String: String], _ environment: [String: String] = [:]
) throws(LifeboatError) -> CloudsFile? {
    try CloudsFile(environment, home: "/home/u") { path in files[path].map { Array($0.utf8) } }
}

/// The settings of cloud `c` of one file.
private func settings(_ text: String, region: String? = nil) throws -> CloudSettings {
    let found = try file(["./clouds.yaml": text])
    return try #require(found).settings("c", region: region)
}

@Suite struct CloudsFileTests {
    @Test(arguments: [
        (["./clouds.yaml", "/home/u/.config/openstack/clouds.yaml"], [:], "./clouds.yaml"),
        (
            ["/home/u/.config/openstack/clouds.yaml", "/etc/openstack/clouds.yaml"], [:],
            "/home/u/.config/openstack/clouds.yaml"
        ),
        (["/etc/openstack/clouds.yml"], [:], "/etc/openstack/clouds.yml"),
        (["/etc/openstack/clouds.json"], [:], "/etc/openstack/clouds.json"),
        (["./clouds.yml", "./clouds.json"], [:], "./clouds.yml"),
        (["./clouds.yaml", "/x.yaml"], ["OS_CLIENT_CONFIG_FILE": "/x.yaml"], "/x.yaml"),
        (["./clouds.yaml"], ["OS_CLIENT_CONFIG_FILE": "/x.yaml"], "./clouds.yaml"),
        (
            ["/c/openstack/clouds.yaml", "/etc/openstack/clouds.yaml"], ["XDG_CONFIG_HOME": "/c"],
            "/c/openstack/clouds.yaml"
        ),
    ]) func `the first file counts`(
        paths: [String], environment: [String: String], expected: String
    ) throws {
        var files: [String: String] = [:]
        for path in paths { files[path] = "clouds: {c: {auth: {auth_url: '\(path)'}}}" }
        let found = try #require(try file(files, environment))
        #expect(found.path == expected)
        #expect(try found.settings("c", region: nil)["auth_url"] == expected)
    }

    @Test func `without files there are no clouds`() throws { #expect(try file([:]) == nil) }

    @Test(
        arguments: [
            // Texts stay as they are written.
            ("password: 0123", "password", "0123"), ("password: no", "password", "no"),
            ("password: '~'", "password", "~"), ("password: 1e3", "password", "1e3"),
            ("password: \"a\\tb\"", "password", "a\tb"),
            ("password: 'it''s: #1'", "password", "it's: #1"),
            // Hyphens are underscores.
            ("project-name: p", "project_name", "p"),
            ("password: ~", "password", nil), ("password: ''", "password", nil),
            ("other: x", "password", nil),
        ] as [(String, String, String?)])
    func `settings are texts`(line: String, name: String, expected: String?) throws {
        #expect(try settings("clouds: {c: {auth: {\(line)}}}")[name] == expected)
        #expect(try settings("clouds:\n  c:\n    auth:\n      \(line)\n")[name] == expected)
        // What belongs under `auth` may stand beside it.
        #expect(try settings("clouds:\n  c:\n    \(line)\n")[name] == expected)
    }

    @Test func `anchors and merges`() throws {
        let text = """
            base: &base {auth_url: 'https://k', username: u}
            clouds:
              c:
                auth:
                  <<: *base
                  password: p
            """
        let found = try settings(text)
        #expect(found["auth_url"] == "https://k")
        #expect(found["password"] == "p")
    }

    @Test func `secrets come from another file`() throws {
        let files = [
            "./clouds.yaml": "clouds: {c: {region_name: R, auth: {username: u, password: old}}}",
            "/etc/openstack/secure.yaml": "clouds: {c: {auth: {password: p}}}",
        ]
        let found = try #require(try file(files)).settings("c", region: nil)
        #expect(found["username"] == "u")
        #expect(found["password"] == "p")
        #expect(found["region_name"] == "R")
    }

    @Test func `vendors`() throws {
        let files = [
            "./clouds.yaml": "clouds: {c: {profile: v, auth: {username: u}}}",
            "./clouds-public.yaml":
                "public-clouds: {v: {auth: {auth_url: 'https://v', username: w}, interface: admin}}",
        ]
        let found = try #require(try file(files)).settings("c", region: nil)
        #expect(found["auth_url"] == "https://v")
        #expect(found["username"] == "u")
        #expect(found["interface"] == "admin")
    }

    @Test(
        arguments: [
            ("region_name: A", nil, "A", nil), ("region_name: A", "B", "B", nil),
            ("regions: [A, B]", nil, "A", nil), ("regions: [A, B]", "B", "B", nil),
            (
                "regions: [A, {name: B, values: {interface: internal}}]", "B", "B", "internal"
            ),
            ("regions: [{name: B, values: {interface: internal}}]", nil, "B", "internal"),
            ("interface: x", nil, nil, "x"),
        ] as [(String, String?, String?, String?)])
    func `regions`(line: String, wanted: String?, region: String?, interface: String?) throws {
        let found = try settings("clouds: {c: {\(line)}}", region: wanted)
        #expect(found["region_name"] == region)
        #expect(found["interface"] == interface)
    }

    @Test(arguments: [
        "clouds: {c: {auth: {password: 'hush", "clouds:\n\tc: hush", "a: &x hush\nb: *y", "hush: {",
        "hush: 1\nhush: 2",
    ]) func `a file that cannot be read is told without its content`(text: String) throws {
        let error = #expect(throws: LifeboatError.self) { try settings(text) }
        let told = try #require(error)
        #expect(told.code == .usage)
        #expect(told.description.contains("./clouds.yaml"))
        #expect(!told.description.contains("hush"), "\(told)")
    }

    @Test(arguments: ["", "clouds:", "clouds: []", "[]", "text", "clouds: {d: {}}"])
    func `a cloud that is not there`(text: String) {
        let error = #expect(throws: LifeboatError.self) { try settings(text) }
        #expect(error?.code == .usage)
    }

    @Test func `certificates are always verified`() {
        #expect(throws: LifeboatError(.refused, "", subject: "cloud c of ./clouds.yaml")) {
            _ = try SwiftCredentials(try settings("clouds: {c: {verify: false}}"))
        }
    }
}
