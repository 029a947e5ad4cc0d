import LifeboatCore
import LifeboatMachine
import Testing

@Suite struct MachineSourceTests {
    @Test(arguments: [
        ("libvirt:web", MachineSource.libvirt(domain: "web")),
        ("qemu:/run/a.qmp", .qemu(.init(socket: "/run/a.qmp"))),
        (
            "qemu:/run/a.qmp,agent=/run/a.qga,name=web",
            .qemu(.init(socket: "/run/a.qmp", agent: "/run/a.qga", name: "web"))
        ),
        ("qemu:a.qmp,name=a=b", .qemu(.init(socket: "a.qmp", name: "a=b"))),
        ("dir-hooks:/etc/lifeboat/web.yaml", .directoryHooks(file: "/etc/lifeboat/web.yaml")),
    ]) func `machines are read`(text: String, source: MachineSource) throws {
        #expect(try MachineSource(parsing: text) == source)
    }

    @Test(arguments: [
        "/dev/vg/web", "web", "data=/srv/disk.img", "nbd://host/web", "-", "rbd:pool/image",
    ]) func `what names no machine is a volume`(text: String) throws {
        #expect(try MachineSource(parsing: text) == nil)
    }

    @Test(arguments: [
        "libvirt:", "libvirt:///system", "qemu:", "qemu:,agent=/a", "qemu:agent=/a", "qemu:/a,b",
        "qemu:/a,agent=", "qemu:/a,port=1", "qemu:/a,name=x,name=y", "dir-hooks:", "dir-hooks:/srv",
    ]) func `a machine that is named wrongly is a mistake in usage`(text: String) {
        #expect(throws: LifeboatError(.usage, "", subject: text)) {
            try MachineSource(parsing: text)
        }
    }

    @Test func `the members of a group may be bare words`() throws {
        let group = try MachineSource.group(parsing: "web,qemu:/a,agent=/b,name=db,libvirt:mail")
        #expect(
            group == [
                .libvirt(domain: "web"),
                .qemu(.init(socket: "/a", agent: "/b", name: "db")), .libvirt(domain: "mail"),
            ])
    }

    @Test(arguments: ["", "a,", "a,,b", "a,a", "a,libvirt:a", "a,/dev/sda", "a,qemu:"])
    func `a group has machines alone, each once`(text: String) {
        let error = #expect(throws: LifeboatError.self) {
            try MachineSource.group(parsing: text)
        }
        #expect(error?.code == .usage)
    }
}
