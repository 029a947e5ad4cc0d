import LifeboatMachine

/// What the fuzzers of machines start from.
enum MachineSamples {
    static func samples(_ name: String) -> [[UInt8]] {
        switch name {
        case "definition": definitions()
        case "domain": [domain, domain.replacing("KiB", with: "TiB")].map { Array($0.utf8) }
        case "agent": [agent, refusals].map { Array($0.utf8) }
        case "qmp": [qmp].map { Array($0.utf8) }
        default: []
        }
    }

    private static func definitions() -> [[UInt8]] {
        let small = MachineDescription(
            name: "web", uuid: nil, platform: "qemu", architecture: "x86_64", processors: 2,
            memory: 1 << 30, firmware: .bios, disks: [], interfaces: [])
        var large = small
        large.uuid = "6c2f1f5e-9f5e-4c53-8f0e-3c0b6a7f5d11"
        large.disks = [
            .init(
                name: "vda", volume: "vda", size: 1 << 36, bus: "virtio", format: "qcow2",
                serial: "A1", bootOrder: 1)
        ]
        large.files = ["domain-xml": "libvirt/domain.xml"]
        let definitions = [
            MachineDefinition(description: small),
            MachineDefinition(
                description: large, files: ["libvirt/domain.xml": Array(domain.utf8)]),
        ]
        return definitions.compactMap { try? DefinitionArchive.encode($0) }
    }

    private static let domain = """
        <domain type='kvm' id='3'><name>web</name>
        <uuid>6c2f1f5e-9f5e-4c53-8f0e-3c0b6a7f5d11</uuid>
        <memory unit='KiB'>2097152</memory><vcpu placement='static'>2</vcpu>
        <os firmware='efi'><type arch='x86_64' machine='q35'>hvm</type>
        <loader readonly='yes' secure='yes' type='pflash'>/usr/share/OVMF/CODE.fd</loader>
        <nvram>/var/lib/libvirt/qemu/nvram/web.fd</nvram></os>
        <devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/>
        <source file='/srv/web.qcow2' index='2'/><backingStore type='file' index='3'>
        <format type='qcow2'/><source file='/srv/base.qcow2'/><backingStore/></backingStore>
        <target dev='vda' bus='virtio'/><serial>A1</serial><boot order='1'/></disk>
        <disk type='network' device='cdrom'><source protocol='nbd' name='tools'/>
        <target dev='sda' bus='sata'/><readonly/></disk>
        <interface type='network'><mac address='52:54:00:77:00:0a'/><source network='default'/>
        <model type='virtio'/></interface>
        <channel type='unix'><source mode='bind' path='/run/web.agent'/>
        <target type='virtio' name='org.qemu.guest_agent.0' state='connected'/></channel>
        <tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm></devices>
        <seclabel type='dynamic' model='dac' relabel='yes'><label>+64055:+64055</label></seclabel>
        </domain>
        """

    private static let agent = """
        {"return": {"version": "7.2.22", "supported_commands": [{"enabled": true, \
        "name": "guest-exec"}, {"enabled": true, "name": "guest-exec-status"}, \
        {"enabled": true, "name": "guest-get-osinfo"}]}}
        {"return": {"id": "debian", "pretty-name": "Debian GNU/Linux 12 (bookworm)"}}
        {"return": "thawed"}
        {"return": 2}
        {"return": 2}
        {"return": {"pid": 811}}
        {"return": {"exited": true, "exitcode": 0, "out-data": "aGVsbG8K", "err-data": ""}}
        {"return": [1, -2, 1.5, null, true]}
        """

    private static let refusals = """
        {"error": {"class": "CommandNotFound", "desc": "Command guest-exec has been disabled"}}
        {"error": {"class": "GenericError", "desc": "fsfreeze hook has failed with status 1"}}
        """

    private static let qmp = """
        {"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}}, "capabilities": []}}
        {"event": "BLOCK_JOB_ERROR", "data": {"device": "lifeboat-0a1b2c3d-0-job"}}
        {"id": 1, "return": [{"device": "", "qdev": "/machine/peripheral/vda/virtio-backend", \
        "removable": false, "inserted": {"node-name": "root", "drv": "qcow2", "ro": false, \
        "image": {"virtual-size": 134217728, "format-specific": {"data": {"compat": "1.1"}}}}}, \
        {"device": "pflash0", "removable": false}, {"device": "ide0-cd1", "qdev": "cd", \
        "removable": true}]}
        {"id": 2, "return": [{"node-name": "root", "dirty-bitmaps": [{"name": \
        "lifeboat-0a1b2c3d-0123456789abcdef", "recording": true, "busy": false, \
        "inconsistent": false}]}]}
        {"id": 3, "error": {"class": "DeviceNotFound", "desc": "no such node"}}

        """
}
