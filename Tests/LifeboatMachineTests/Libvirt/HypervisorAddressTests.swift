import Testing

@testable import LifeboatMachine

@Suite struct HypervisorAddressTests {
    @Test(arguments: [
        "qemu:///system", "qemu:///session", "qemu+unix:///system",
        "qemu:///system?socket=/run/libvirt/libvirt-sock", "test:///default",
    ])
    func `a daemon of this host needs no other way`(uri: String) {
        #expect(HypervisorAddress(uri).isLocal)
    }

    @Test func `ssh goes as the URI says`() {
        let address = HypervisorAddress(
            "qemu+ssh://root@node7:2222/system?keyfile=/root/key&no_verify=1&command=/usr/bin/ssh")
        #expect(
            address.way
                == .secureShell(
                    SecureShell(
                        host: "node7", user: "root", port: 2222, keyFile: "/root/key",
                        program: "/usr/bin/ssh", verifiesHost: false)))
        let arguments = address.secureShell?.arguments() ?? []
        #expect(arguments.first == "/usr/bin/ssh")
        #expect(arguments.suffix(2) == ["--", "node7"])
        for words in [["-p", "2222"], ["-l", "root"], ["-i", "/root/key"]] {
            #expect(arguments.firstRange(of: words) != nil, "\(words)")
        }
        #expect(arguments.contains("BatchMode=yes"))
    }

    @Test(arguments: [
        ("qemu+tls://node7/system", "node7", true), ("qemu://node7/system", "node7", true),
        ("qemu+tcp://[fd00::7]:16509/system", "fd00::7", false),
    ])
    func `a network connection leads to the same host`(uri: String, host: String, hasTLS: Bool) {
        #expect(HypervisorAddress(uri).way == .network(host: host, hasTLS: hasTLS))
    }

    @Test func `certificates are where the URI says`() {
        #expect(
            HypervisorAddress("qemu+tls://a/system?pkipath=/srv/pki").certificates == "/srv/pki")
        #expect(HypervisorAddress("qemu+tls://a/system").certificates == nil)
    }
}
