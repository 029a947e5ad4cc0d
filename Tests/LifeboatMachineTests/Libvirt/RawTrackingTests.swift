import LifeboatCore
import Testing

@testable import LifeboatMachine

@Suite struct RawTrackingTests {
    static let domain = """
        <domain type='kvm'><name>web</name><devices>
          <disk type='block' device='disk'><driver name='qemu' type='raw' cache='none'/>
            <source dev='/dev/vg/web' index='3'><seclabel model='dac' relabel='no'/></source>
            <backingStore/><target dev='vda' bus='virtio'/></disk>
          <disk type='file' device='disk'><driver name='qemu' type='raw'/>
            <source file='/images/web.raw'/><target dev='vdb' bus='virtio'/></disk>
        </devices></domain>
        """

    private func disks(_ xml: String) throws -> [DomainXML.Disk] {
        try DomainXML(parsing: xml, subject: "web").disks
    }

    @Test(arguments: [true, false])
    func `a device is tracked, and raw again`(namesData: Bool) throws {
        let data = TrackedDefinition.Place(path: "/dev/vg/web", isBlock: true)
        let definition = TrackedDefinition(disk: "vda", namesData: namesData)
        let tracked = try definition.tracked(Self.domain, metadata: "/m'.qcow2", data: data)
        let disk = try disks(tracked)[0]
        #expect(disk.kind == "file")
        #expect(disk.format == "qcow2")
        #expect(disk.source == "/m'.qcow2")
        #expect(disk.dataFile == (namesData ? "/dev/vg/web" : nil))
        #expect(disk.index == nil)
        #expect(tracked.contains("cache='none'"))
        #expect(tracked.contains("seclabel"))
        let other = try disks(tracked)[1]
        #expect(try other == disks(Self.domain)[1])
        let again = try disks(try definition.untracked(tracked, data: data))[0]
        var before = try disks(Self.domain)[0]
        before.index = nil
        #expect(again == before)
    }

    @Test func `a disk that is not there is not changed`() {
        #expect(throws: LifeboatError.self) {
            try TrackedDefinition(disk: "vdz", namesData: true)
                .untracked(Self.domain, data: .init(path: "/x", isBlock: false))
        }
    }

    @Test(arguments: [
        ("<secmodel><model>apparmor</model></secmodel>", 9, false),
        ("<secmodel><model>apparmor</model></secmodel>", 11, true),
        ("<secmodel><model>none</model></secmodel>", 9, true),
        (
            "<secmodel><model>dac</model><baselabel type='kvm'>+0:+0</baselabel></secmodel>", 9,
            true
        ),
        (
            "<secmodel><model>dac</model><baselabel type='kvm'>+64055:+64055</baselabel>"
                + "</secmodel>", 9, false
        ),
    ])
    func `an older libvirt is refused where QEMU would not get to the data`(
        models: String, major: Int, isAllowed: Bool
    ) throws {
        let capabilities = "<capabilities><host>\(models)</host></capabilities>"
        func check() throws {
            try RawTracking.checkAccess(
                capabilities: capabilities, version: LibvirtVersion(major, 0), "/")
        }
        if isAllowed {
            try check()
        } else {
            let error = #expect(throws: LifeboatError.self) { try check() }
            #expect(error?.code == .unsupported)
            #expect(error?.advice?.contains("10.10") == true)
        }
    }
}
