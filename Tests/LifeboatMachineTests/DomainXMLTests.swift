import LifeboatCore
import Testing

@testable import LifeboatMachine

@Suite struct DomainXMLTests {
    /// As libvirt 9.0 writes a running domain, shortened.
    static let running = """
        <domain type='qemu' id='1'>
          <name>web</name>
          <uuid>c7d1532a-ad35-484f-bf6c-71c61c75f205</uuid>
          <memory unit='KiB'>262144</memory>
          <vcpu placement='static'>2</vcpu>
          <os firmware='efi'>
            <type arch='x86_64' machine='pc-q35-7.2'>hvm</type>
            <firmware><feature enabled='yes' name='secure-boot'/></firmware>
            <loader readonly='yes' secure='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.ms.fd</loader>
            <nvram template='/usr/share/OVMF/OVMF_VARS_4M.ms.fd'>/var/lib/libvirt/qemu/nvram/web_VARS.fd</nvram>
            <kernel>/boot/vmlinuz</kernel>
          </os>
          <devices>
            <disk type='file' device='disk'>
              <driver name='qemu' type='qcow2' cache='writeback' discard='unmap'/>
              <source file='/vm/a.s1' index='3'/>
              <backingStore type='file' index='2'>
                <format type='qcow2'/>
                <source file='/vm/root.qcow2'/>
                <backingStore/>
              </backingStore>
              <target dev='vda' bus='virtio'/>
              <serial>ROOT</serial>
              <boot order='1'/>
              <alias name='virtio-disk0'/>
            </disk>
            <disk type='block' device='disk'>
              <driver name='qemu' type='raw' error_policy='report'/><source dev='/dev/vg/data' index='1'/>
              <target dev='vdb' bus='virtio'/><shareable/>
            </disk>
            <disk type='network' device='disk'>
              <driver name='qemu' type='raw'/>
              <source protocol='rbd' name='pool/image'><host name='mon1'/></source>
              <target dev='vdc' bus='virtio'/>
            </disk>
            <disk type='file' device='cdrom'>
              <driver name='qemu' type='raw'/><target dev='sda' bus='sata'/><readonly/>
            </disk>
            <disk type='file' device='disk'>
              <driver name='qemu' type='raw'/><source file='/vm/t'/>
              <target dev='vdd' bus='virtio'/><transient/>
            </disk>
            <interface type='network'>
              <mac address='52:54:00:AA:00:10'/>
              <source network='production' portid='x' bridge='br-prod'/>
              <model type='virtio'/>
            </interface>
            <interface type='bridge'>
              <mac address='52:54:00:aa:00:11'/><source bridge='br0'/>
            </interface>
            <channel type='unix'>
              <source mode='bind' path='/run/libvirt/qemu/channel/1-web/org.qemu.guest_agent.0'/>
              <target type='virtio' name='org.qemu.guest_agent.0' state='connected'/>
            </channel>
            <tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>
          </devices>
          <seclabel type='dynamic' model='apparmor' relabel='yes'>
            <label>libvirt-c7d1532a</label>
          </seclabel>
          <seclabel type='dynamic' model='dac' relabel='yes'>
            <label>+64055:+64056</label><imagelabel>+64055:+64056</imagelabel>
          </seclabel>
        </domain>
        """

    @Test func `what matters of a domain is read`() throws {
        let xml = try DomainXML(parsing: Self.running, subject: "web")
        #expect(xml.name == "web" && xml.uuid == "c7d1532a-ad35-484f-bf6c-71c61c75f205")
        #expect(xml.memory == 256 << 20 && xml.processors == 2 && xml.architecture == "x86_64")
        #expect(xml.isUEFI && xml.hasSecureBoot && xml.hasTPM)
        #expect(xml.variables == "/var/lib/libvirt/qemu/nvram/web_VARS.fd")
        #expect(xml.owner == .init(user: 64055, group: 64056))
        #expect(xml.kernel == "/boot/vmlinuz" && xml.initrd == nil)
        #expect(xml.agentSocket?.hasSuffix("org.qemu.guest_agent.0") == true)
        #expect(xml.agentState == "connected")
        #expect(xml.disks.map(\.target) == ["vda", "vdb", "vdc", "sda", "vdd"])
        let first = try #require(xml.disks.first)
        #expect(first.format == "qcow2" && first.index == 3 && first.source == "/vm/a.s1")
        #expect(first.backing == ["/vm/root.qcow2"] && first.serial == "ROOT")
        #expect(first.bootOrder == 1)
        #expect(xml.disks[1].source == "/dev/vg/data" && xml.disks[1].isShareable)
        #expect(xml.disks.map(\.errorPolicy) == [nil, "report", nil, nil, nil])
        #expect(xml.disks[2].kind == "network" && xml.disks[2].source == "pool/image")
        #expect(xml.disks[3].source == nil && xml.disks[3].isReadOnly)
        #expect(xml.interfaces.map(\.source) == ["production", "br0"])
        #expect(xml.interfaces[0].mac == "52:54:00:aa:00:10")
    }

    @Test(arguments: ["", "<domain>", "<network><name>x</name></network>", "<domain/>", "nonsense"])
    func `what is no domain is told so`(text: String) {
        #expect(throws: LifeboatError(.damaged, "", subject: "web")) {
            try DomainXML(parsing: text, subject: "web")
        }
    }

    @Test func `drives and what is thrown away are left out with a reason`() throws {
        let xml = try DomainXML(parsing: Self.running, subject: "web")
        var policy = ProtectionPolicy()
        policy.excludedDisks = ["vdc"]
        let (disks, notes) = try LibvirtMachine.selectDisks(xml, policy, machine: "web")
        #expect(disks.map(\.target) == ["vda", "vdb"])
        #expect(notes.count == 3)
        policy.includedDisks = ["vdz"]
        #expect(throws: LifeboatError(.refused, "", subject: "web")) {
            try LibvirtMachine.selectDisks(xml, policy, machine: "web")
        }
    }

    @Test func `what libvirt is told is XML, whatever the names are`() throws {
        let hostile = "a'/><b c=\"&"
        let text = BackupXML.backup(
            [
                .init(name: "vda", scratch: "/s/\(hostile)", since: "base", isTracked: true),
                .init(name: "vdb", scratch: "/s/b", since: nil, isTracked: false),
                .init(name: "sda", scratch: nil, since: nil, isTracked: false),
            ], server: BackupXML.unixServer("/run/\(hostile)"))
        let root = try #require(XMLTree.parse(text))
        #expect(root["server"]?.attribute("socket") == "/run/\(hostile)")
        let disks = root["disks"]?.all("disk") ?? []
        #expect(disks.map { $0.attribute("backup") } == ["yes", "yes", "no"])
        #expect(disks.map { $0.attribute("backupmode") } == ["incremental", "full", nil])
        #expect(disks[0].attribute("incremental") == "base")
        #expect(disks[0].attribute("exportbitmap") == "lifeboat-vda")
        #expect(disks[0]["scratch"]?.attribute("file") == "/s/\(hostile)")
        let checkpoint = try #require(
            XMLTree.parse(
                BackupXML.checkpoint(
                    "c1",
                    [
                        .init(name: "vda", scratch: "/s", since: nil, isTracked: true),
                        .init(name: "vdb", scratch: "/s", since: nil, isTracked: false),
                    ])))
        #expect(
            checkpoint["disks"]?.all("disk").map { $0.attribute("checkpoint") }
                == ["bitmap", "no"])
    }
}
