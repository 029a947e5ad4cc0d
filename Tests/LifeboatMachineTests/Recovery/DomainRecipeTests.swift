import LifeboatCore
import Testing

@testable import LifeboatMachine

@Suite struct DomainRecipeTests {
    private static let here: Set = [
        "/usr/bin/qemu-system-x86_64", "/dev/urandom", "/sys/class/net/br0",
    ]

    private func recipe(
        _ images: [String: DomainRecipe.Image], files: Set<String> = here
    ) throws -> DomainRecipe {
        var host = try HostOffer(capabilities: DomainSamples.capabilities)
        host.networks = ["bubble": true, "production": true, "asleep": false]
        host.loaders = ["/usr/share/OVMF/OVMF_CODE_4M.fd"]
        return DomainRecipe(
            name: "web-2", uuid: "11111111-2222-3333-4444-555555555555", images: images, host: host
        ) { files.contains($0) }
    }

    private func plainRecipe() throws -> DomainRecipe {
        var recipe = try recipe([
            "vda": .init(path: "/new/web-2-vda.qcow2", format: "qcow2"),
            "vdb": .init(path: "/new/web-2-vdb.raw", format: "raw"),
        ])
        recipe.files.kernel = "/new/kernel"
        recipe.files.initrd = "/new/initrd"
        return recipe
    }

    private func domain(_ outcome: DomainRecipe.Outcome) throws -> XMLTree {
        try #require(XMLTree.parse(outcome.xml))
    }

    @Test func `a plain machine moves to other files, names and processors`() throws {
        let outcome = try plainRecipe().apply(to: DomainSamples.plain)
        #expect(outcome.obstacles == [])
        let tree = try domain(outcome)
        #expect(tree.attribute("id") == nil)
        #expect(tree["name"]?.text == "web-2")
        #expect(tree["uuid"]?.text == "11111111-2222-3333-4444-555555555555")
        #expect(tree["genid"]?.text == "")
        #expect(tree["vcpu"]?.attribute("cpuset") == nil)
        #expect(tree["cputune"]?.children.map(\.name) == ["shares", "emulatorpin"])
        #expect(tree["numatune"] == nil)
        #expect(tree["resource"] == nil)
        #expect(tree["seclabel"] == nil)
        #expect(tree["os"]?["type"]?.attribute("machine") == "pc-q35-7.2")
        #expect(tree["os"]?["kernel"]?.text == "/new/kernel")
        #expect(tree["os"]?["initrd"]?.text == "/new/initrd")
        #expect(tree["os"]?["cmdline"]?.text == "console=ttyS0 a='b' <c> &")
        #expect(tree["devices"]?["emulator"]?.text == "/usr/bin/qemu-system-x86_64")
        #expect(!outcome.xml.contains("/old/"))
        #expect(!outcome.xml.contains("seclabel"))
    }

    @Test func `disks get their new images and nothing of the old ones`() throws {
        let tree = try domain(try plainRecipe().apply(to: DomainSamples.plain))
        let disks = try #require(tree["devices"]).all("disk")
        #expect(disks.map { $0["target"]?.attribute("dev") } == ["vda", "vdb", "sda"])
        let root = disks[0]
        #expect(root["source"]?.attributes == ["file": "/new/web-2-vda.qcow2"])
        #expect(root["backingStore"] == nil)
        #expect(root["driver"]?.attribute("type") == "qcow2")
        #expect(root["driver"]?.attribute("discard") == "unmap")
        #expect(root["driver"]?.attribute("io") == "native")
        #expect(root["driver"]?.children.isEmpty == true)
        #expect(root["alias"] == nil)
        #expect(root["serial"]?.text == "ROOT")
        #expect(root["address"] != nil)
        let data = disks[1]
        #expect(data.attribute("type") == "file")
        #expect(data["source"]?.attributes == ["file": "/new/web-2-vdb.raw"])
        #expect(data["auth"] == nil)
        #expect(data["driver"]?.attribute("type") == "raw")
        // Without a cache mode that bypasses the host's, this would not start.
        #expect(data["driver"]?.attribute("io") == nil)
        #expect(data["alias"]?.attribute("name") == "ua-data")
        // The medium is not here.
        #expect(disks[2]["source"] == nil)
        #expect(disks[2]["readonly"] != nil)
    }

    @Test func `everything that changes is told`() throws {
        let warnings = try plainRecipe().apply(to: DomainSamples.plain).warnings
            .joined(separator: "\n")
        for word in [
            "emulator", "pc-q35-9.9", "processors", "encrypted", "sda", "passed through",
            "serial", "screen",
        ] { #expect(warnings.contains(word), "\(word)") }
    }

    @Test func `backed disks stop on errors and name their export`() throws {
        var recipe = try plainRecipe()
        recipe.images["vda"]?.backing = .init(socket: "/run/s", export: "web/vda")
        let tree = try domain(try recipe.apply(to: DomainSamples.plain))
        let disks = try #require(tree["devices"]).all("disk")
        #expect(disks[0]["driver"]?.attribute("error_policy") == "stop")
        #expect(disks[0]["driver"]?.attribute("rerror_policy") == "stop")
        #expect(disks[1]["driver"]?.attribute("error_policy") == nil)
        let backing = try #require(disks[0]["backingStore"])
        #expect(backing["source"]?.attribute("name") == "web/vda")
        #expect(backing["source"]?["host"]?.attribute("socket") == "/run/s")
        #expect(backing["format"]?.attribute("type") == "raw")
        #expect(backing["backingStore"]?.children.isEmpty == true)
    }

    @Test func `devices are dropped or cleared of their host`() throws {
        let devices = try #require(
            try domain(try plainRecipe().apply(to: DomainSamples.plain))["devices"])
        #expect(devices["hostdev"] == nil)
        #expect(devices["serial"]?.attribute("type") == "pty")
        #expect(devices["serial"]?["target"]?.attribute("port") == "0")
        #expect(devices["channel"]?["source"] == nil)
        #expect(devices["channel"]?["target"]?.attribute("state") == nil)
        #expect(devices["graphics"]?.attribute("port") == nil)
        #expect(devices["graphics"]?.attribute("listen") == "127.0.0.1")
        #expect(devices["vsock"]?["cid"]?.attributes == ["auto": "yes"])
        #expect(devices["rng"]?["backend"]?.text == "/dev/urandom")
    }

    @Test func `disks without an image are refused or left out as told`() throws {
        var recipe = try plainRecipe()
        recipe.images["vdb"] = nil
        var outcome = try recipe.apply(to: DomainSamples.plain)
        #expect(outcome.obstacles.count == 1)
        #expect(outcome.obstacles.first?.contains("vdb") == true)
        recipe.droppedDisks = ["vdb"]
        outcome = try recipe.apply(to: DomainSamples.plain)
        #expect(outcome.obstacles == [])
        #expect(outcome.warnings.contains { $0.contains("vdb") })
        let disks = try #require(try domain(outcome)["devices"]).all("disk")
        #expect(disks.map { $0["target"]?.attribute("dev") } == ["vda", "sda"])
        recipe.images["vdz"] = .init(path: "/z", format: "raw")
        #expect(
            try recipe.apply(to: DomainSamples.plain).obstacles
                == ["the definition has no disk vdz"])
    }

    @Test(arguments: [
        (["production": "bubble"], ["network bubble", "bridge br0"], 0),
        (["br0": "bubble"], ["network production", "network bubble"], 0),
        (["br0": "asleep"], ["network production", "network asleep"], 1),
        (["production": "gone"], ["network gone", "bridge br0"], 1),
        (["*": "bubble"], ["network bubble", "network bubble"], 0),
    ]) func `networks are mapped`(map: [String: String], expected: [String], obstacles: Int) throws
    {
        var recipe = try plainRecipe()
        recipe.networks = map
        let outcome = try recipe.apply(to: DomainSamples.plain)
        #expect(outcome.obstacles.count == obstacles, "\(outcome.obstacles)")
        let interfaces = try #require(try domain(outcome)["devices"]).all("interface")
        let found = interfaces.map { interface in
            let type = interface.attribute("type") ?? ""
            return type + " " + (interface["source"]?.attribute(type) ?? "")
        }
        #expect(found == expected)
        #expect(interfaces.allSatisfy { $0["target"] == nil })
        #expect(
            interfaces.map { $0["mac"]?.attribute("address") ?? "" } == [
                "52:54:00:77:00:10", "52:54:00:77:00:11",
            ])
    }

    @Test func `what connects to nothing here is told`() throws {
        var recipe = try plainRecipe()
        recipe.host.networks = [:]
        recipe.fileExists = { $0 == "/usr/bin/qemu-system-x86_64" }
        let obstacles = try recipe.apply(to: DomainSamples.plain).obstacles
        #expect(obstacles.count == 2)
        #expect(obstacles.contains { $0.contains("--network production=NEW") })
        #expect(obstacles.contains { $0.contains("--network br0=NEW") })
    }

    @Test func `new addresses follow from the seed`() throws {
        var recipe = try plainRecipe()
        func addresses(_ seed: UInt64) throws -> [String] {
            recipe.addresses = .new(seed: seed)
            let tree = try domain(try recipe.apply(to: DomainSamples.plain))
            return try #require(tree["devices"]).all("interface")
                .compactMap { $0["mac"]?.attribute("address") }
        }
        let first = try addresses(1)
        #expect(first == (try addresses(1)))
        #expect(first != (try addresses(2)))
        #expect(Set(first).count == 2)
        for address in first {
            #expect(address.hasPrefix("52:54:00:"))
            #expect(address.count == 17)
        }
    }

    @Test func `firmware, variables and emulation`() throws {
        var recipe = try recipe(["sda": .init(path: "/new/sda.raw", format: "raw")])
        recipe.networks = ["eno1": "bubble"]
        recipe.files.variables = "/new/variables"
        recipe.files.hasTPM = true
        var outcome = try recipe.apply(to: DomainSamples.firmware)
        // Nothing here boots securely.
        #expect(outcome.obstacles.count == 1)
        #expect(outcome.obstacles.first?.contains("OVMF_CODE_4M.ms.fd") == true)
        recipe.host.loaders.append("/usr/share/OVMF/OVMF_CODE_4M.secboot.fd")
        outcome = try recipe.apply(to: DomainSamples.firmware)
        #expect(outcome.obstacles == [])
        let tree = try domain(outcome)
        #expect(tree.attribute("type") == "qemu")
        #expect(tree["cpu"]?.attributes == ["mode": "maximum"])
        #expect(tree["os"]?["loader"]?.text == "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd")
        #expect(tree["os"]?["nvram"]?.text == "/new/variables")
        #expect(tree["os"]?["nvram"]?.attribute("template") == nil)
        let devices = try #require(tree["devices"])
        #expect(devices["disk"]?.attribute("device") == "disk")
        #expect(devices["disk"]?.attribute("sgio") == nil)
        #expect(devices["interface"]?.attribute("type") == "network")
        #expect(devices["interface"]?["source"]?.attributes == ["network": "bubble"])
        #expect(devices["tpm"]?["backend"]?.attribute("type") == "emulator")
        #expect(outcome.warnings.contains { $0.contains("arguments for QEMU") })
        // What has a prefix keeps its name space, or libvirt would not read it.
        #expect(tree.attribute("xmlns:qemu") == "http://libvirt.org/schemas/domain/qemu/1.0")
        #expect(tree["qemu:commandline"]?["qemu:arg"]?.attribute("value") == "-foo")
    }

    @Test func `a machine that cannot be had here is refused`() throws {
        var recipe = try plainRecipe()
        recipe.files = .init()
        recipe.host.architectures = [
            "x86_64": .init(
                emulator: "/usr/bin/q", domainTypes: ["qemu"], machines: ["microvm": "microvm"])
        ]
        let obstacles = try recipe.apply(to: DomainSamples.plain).obstacles
        #expect(obstacles.count == 3)
        #expect(obstacles.contains { $0.contains("pc-q35-9.9") })
        #expect(obstacles.contains { $0.contains("kernel /old/vmlinux") })
        recipe.host.architectures = [:]
        #expect(
            try recipe.apply(to: DomainSamples.plain).obstacles.contains { $0.contains("x86_64") })
    }

    @Test func `what is no domain is damaged`() throws {
        let recipe = try plainRecipe()
        for text in ["", "<network/>", "<domain>"] {
            #expect(throws: LifeboatError(.damaged, "")) { try recipe.apply(to: text) }
        }
    }

    @Test func `the same domain gives the same text`() throws {
        let recipe = try plainRecipe()
        let once = try recipe.apply(to: DomainSamples.plain)
        #expect(once == (try recipe.apply(to: DomainSamples.plain)))
        // And its own text is taken as it is.
        #expect(try recipe.apply(to: once.xml).xml == once.xml)
    }

    @Test(arguments: [
        ("0-3,^2,8", [0, 1, 3, 8]), ("5", [5]), ("", []), ("a", nil), ("3-1", nil),
        ("1-2-3", nil), ("0-99999999999", nil),
    ]) func `sets of processors`(text: String, members: [Int]?) {
        #expect(CPUSet(text)?.members == members.map { Set($0) })
    }
}
