/// Domains as libvirt describes them.
enum DomainSamples {
    /// A running guest with direct kernel boot, a raw disk with metadata of a block job, an agent.
    static let plain = """
        <domain type='qemu' id='3'>
          <name>web</name>
          <uuid>6b2e5b1c-6f0e-4b6f-9a44-3b7d4f0a9d11</uuid>
          <genid>43dc0cf8-809b-4adb-9bea-a9abb5f3d90e</genid>
          <memory unit='KiB'>262144</memory>
          <vcpu placement='static' cpuset='0-7'>1</vcpu>
          <cputune>
            <shares>512</shares>
            <vcpupin vcpu='0' cpuset='6'/>
            <emulatorpin cpuset='0-1'/>
          </cputune>
          <numatune><memory mode='strict' nodeset='1'/></numatune>
          <resource><partition>/machine</partition></resource>
          <os>
            <type arch='x86_64' machine='pc-q35-9.9'>hvm</type>
            <kernel>/old/vmlinux</kernel>
            <initrd>/old/initrd</initrd>
            <cmdline>console=ttyS0 a='b' &lt;c&gt; &amp;</cmdline>
          </os>
          <cpu mode='maximum'/>
          <devices>
            <emulator>/opt/qemu/bin/qemu-system-x86_64</emulator>
            <disk type='file' device='disk' snapshot='external'>
              <driver name='qemu' type='qcow2' cache='none' io='native' discard='unmap'>
                <metadata_cache><max_size unit='bytes'>1024</max_size></metadata_cache>
              </driver>
              <source file='/old/root.qcow2' index='2'>
                <seclabel model='dac' relabel='no'/>
              </source>
              <backingStore type='file' index='3'>
                <format type='qcow2'/>
                <source file='/old/base.qcow2'/>
              </backingStore>
              <target dev='vda' bus='virtio'/>
              <serial>ROOT</serial>
              <boot order='1'/>
              <alias name='virtio-disk0'/>
              <address type='pci' domain='0x0000' bus='0x04' slot='0x00' function='0x0'/>
            </disk>
            <disk type='network' device='disk'>
              <driver name='qemu' type='raw' io='native'/>
              <auth username='admin'><secret type='ceph' usage='ceph'/></auth>
              <source protocol='rbd' name='pool/data'>
                <host name='10.0.0.1' port='6789'/>
                <encryption format='luks'/>
              </source>
              <target dev='vdb' bus='virtio'/>
              <alias name='ua-data'/>
            </disk>
            <disk type='file' device='cdrom'>
              <driver name='qemu' type='raw'/>
              <source file='/old/install.iso'/>
              <target dev='sda' bus='sata'/>
              <readonly/>
            </disk>
            <interface type='network'>
              <mac address='52:54:00:77:00:10'/>
              <source network='production' portid='1' bridge='virbr3'/>
              <target dev='vnet7'/>
              <model type='virtio'/>
            </interface>
            <interface type='bridge'>
              <mac address='52:54:00:77:00:11'/>
              <source bridge='br0'/>
              <vlan><tag id='42'/></vlan>
              <model type='virtio'/>
            </interface>
            <serial type='file'>
              <source path='/old/serial.log'/>
              <target port='0'/>
            </serial>
            <channel type='unix'>
              <source mode='bind' path='/old/agent.sock'/>
              <target type='virtio' name='org.qemu.guest_agent.0' state='connected'/>
            </channel>
            <graphics type='vnc' port='5903' autoport='no' listen='10.1.2.3'>
              <listen type='address' address='10.1.2.3'/>
            </graphics>
            <hostdev mode='subsystem' type='pci' managed='yes'>
              <source><address domain='0x0000' bus='0x06' slot='0x02' function='0x0'/></source>
            </hostdev>
            <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
            <vsock model='virtio'><cid auto='no' address='7'/></vsock>
          </devices>
          <seclabel type='dynamic' model='apparmor' relabel='yes'/>
        </domain>
        """

    /// UEFI with secure boot, variables, and an emulated TPM.
    static let firmware = """
        <domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
          <name>win</name>
          <uuid>0f7d3c11-1d9d-4c1e-8b0c-8a1c5f9f3b22</uuid>
          <memory unit='KiB'>4194304</memory>
          <vcpu>4</vcpu>
          <os firmware='efi'>
            <type arch='x86_64' machine='pc-q35-7.2'>hvm</type>
            <firmware><feature enabled='yes' name='secure-boot'/></firmware>
            <loader readonly='yes' secure='yes' type='pflash'>/old/OVMF_CODE_4M.ms.fd</loader>
            <nvram template='/old/OVMF_VARS_4M.ms.fd'>/old/win_VARS.fd</nvram>
          </os>
          <cpu mode='host-passthrough' check='none'/>
          <devices>
            <emulator>/usr/bin/qemu-system-x86_64</emulator>
            <disk type='block' device='lun' sgio='filtered'>
              <driver name='qemu' type='raw' cache='none'/>
              <source dev='/dev/vg/win'/>
              <target dev='sda' bus='scsi'/>
            </disk>
            <tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>
            <interface type='direct'>
              <mac address='52:54:00:77:00:12'/>
              <source dev='eno1' mode='bridge'/>
              <model type='e1000e'/>
            </interface>
          </devices>
          <qemu:commandline><qemu:arg value='-foo'/></qemu:commandline>
        </domain>
        """

    static let capabilities = """
        <capabilities>
          <host><uuid>u</uuid><topology><cells num='1'><cell id='0'>
            <cpus num='2'><cpu id='0'/><cpu id='1'/></cpus></cell></cells></topology></host>
          <guest><os_type>hvm</os_type><arch name='x86_64'><wordsize>64</wordsize>
            <emulator>/usr/bin/qemu-system-x86_64</emulator>
            <machine maxCpus='255'>pc-i440fx-7.2</machine>
            <machine canonical='pc-i440fx-7.2' maxCpus='255'>pc</machine>
            <machine maxCpus='288'>pc-q35-7.2</machine>
            <machine canonical='pc-q35-7.2' maxCpus='288'>q35</machine>
            <machine maxCpus='288'>pc-q35-6.0</machine>
            <domain type='qemu'/></arch></guest>
        </capabilities>
        """
}
