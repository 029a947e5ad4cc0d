import LifeboatCore
import Testing

@testable import LifeboatStore

@Suite struct S3SettingsTests {
    private static let credentialsFile = """
        [default]
        aws_access_key_id = DEFAULT
        aws_secret_access_key = default/secret
        # a comment = nothing
        [work]
        aws_access_key_id=WORK
        aws_secret_access_key=a=b==
        aws_session_token = token
        """
    private static let configurationFile = """
        [default]
        region = eu-1
        s3 =
          region = wrong
        [profile  work]
        region = eu-2
        ca_bundle = /etc/ca.pem
        [profile remote]
        role_arn = arn:aws:iam::1:role/x
        """

    private func settings(
        _ environment: [String: String], files: [String: String] = [:]
    ) throws -> S3Settings {
        try S3Settings(environment: environment) { path throws(LifeboatError) in
            files[path].map { Array($0.utf8) }
        }
    }

    private let files = [
        "/home/a/.aws/credentials": credentialsFile, "/home/a/.aws/config": configurationFile,
    ]

    @Test func `variables go before files`() throws {
        let found = try settings(
            [
                "HOME": "/home/a", "AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "s",
                "AWS_SESSION_TOKEN": "t", "AWS_REGION": "r", "AWS_CA_BUNDLE": "/ca",
            ], files: files)
        #expect(
            found.credentials
                == S3Credentials(
                    accessKey: "A", secretKey: SecretText("s"), sessionToken: SecretText("t")))
        #expect(found.region == "r" && found.authorityFile == "/ca")
    }

    @Test func `profiles are found in both files`() throws {
        let open = try settings(["HOME": "/home/a"], files: files)
        #expect(open.credentials.accessKey == "DEFAULT" && open.region == "eu-1")
        #expect(open.credentials.secretKey == SecretText("default/secret"))
        let work = try settings(["HOME": "/home/a", "AWS_PROFILE": "work"], files: files)
        #expect(work.credentials.accessKey == "WORK" && work.region == "eu-2")
        #expect(work.credentials.secretKey == SecretText("a=b=="))
        #expect(work.credentials.sessionToken == SecretText("token"))
        #expect(work.authorityFile == "/etc/ca.pem")
    }

    @Test func `files can be elsewhere`() throws {
        let found = try settings(
            ["AWS_SHARED_CREDENTIALS_FILE": "/c", "AWS_CONFIG_FILE": "/d", "AWS_PROFILE": "work"],
            files: ["/c": Self.credentialsFile, "/d": Self.configurationFile])
        #expect(found.credentials.accessKey == "WORK" && found.region == "eu-2")
    }

    @Test(arguments: [
        [:], ["HOME": "/home/b"], ["HOME": "/home/a", "AWS_PROFILE": "none"],
        ["HOME": "/home/a", "AWS_PROFILE": "remote"], ["AWS_ACCESS_KEY_ID": "A"],
        ["AWS_SECRET_ACCESS_KEY": "hunter2"],
        ["AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""],
    ]) func `without credentials nothing is opened`(environment: [String: String]) throws {
        let error = try #require(throws: LifeboatError.self) {
            try settings(environment, files: files)
        }
        #expect(error.code == .denied && error.advice != nil)
        #expect(!error.description.contains("hunter2"))
    }

    @Test func `no text shows a secret`() throws {
        let found = try settings(
            ["AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "hunter2"])
        var text = "\(found) \(String(reflecting: found)) \(found.credentials)"
        dump(found, to: &text)
        #expect(!text.contains("hunter2"))
    }
}
