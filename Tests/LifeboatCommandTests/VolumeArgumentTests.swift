import Lifeboat
import LifeboatCore
import Testing

@testable import LifeboatCommand

@Suite struct VolumeArgumentTests {
    @Test(arguments: [
        ("root=/dev/vg/root", "root", "/dev/vg/root"),
        ("/var/images/web.img", "web.img", "/var/images/web.img"),
        ("web.img", "web.img", "web.img"),
        ("a=b=c", "a", "b=c"),
        ("x=/odd/a=b", "x", "/odd/a=b"),
        ("./a=b", "a=b", "./a=b"),
        ("./dir/a=b", "a=b", "./dir/a=b"),
        ("x=./a=b", "x", "./a=b"),
        ("-", "stdin", "-"),
        ("root=-", "root", "-"),
        ("/dev/sda/", "sda", "/dev/sda/"),
        ("root=disk.qcow2", "root", "disk.qcow2"),
        ("disk.qcow2", "disk.qcow2", "disk.qcow2"),
        ("data=nbd://host/export", "data", "nbd://host/export"),
        ("nbd://host/export", "export", "nbd://host/export"),
        ("nbds://host:1/export?tls-psk-file=/k", "export", "nbds://host:1/export?tls-psk-file=/k"),
        ("nbd+unix:///vda?socket=/run/s", "vda", "nbd+unix:///vda?socket=/run/s"),
        ("x=nbd+unix:///?socket=/run/s", "x", "nbd+unix:///?socket=/run/s"),
    ])
    func `a volume has a name and a source`(text: String, name: String, path: String) throws {
        let source = try VolumeArgument.parse(text)
        #expect(source.name == name)
        #expect(source.path == path)
    }

    @Test(arguments: [
        "", "=x", "a=", "/", ".", "..", "/dev/a=b", "../a=b", "a\nb=x", "..=x",
        "nbd+unix:///?socket=/run/s", "nbd:///",
    ])
    func `refuses what has no usable name`(text: String) {
        #expect(throws: LifeboatError.self) { try VolumeArgument.parse(text) }
    }

    @Test(arguments: [["a=x", "a=y"], ["/x/d.img", "/y/d.img"], ["-", "b=-"], ["stdin=x", "-"]])
    func `refuses two volumes of one name, or two of standard input`(texts: [String]) {
        let error = #expect(throws: LifeboatError.self) { try VolumeArgument.parse(texts) }
        #expect(error?.code == .usage)
    }

    @Test func `a name of 255 bytes is the longest`() throws {
        let longest = String(repeating: "n", count: 255)
        #expect(try VolumeArgument.parse(longest + "=x").name == longest)
        #expect(throws: LifeboatError.self) { try VolumeArgument.parse("n" + longest + "=x") }
    }
}

@Suite struct NamePairsTests {
    @Test func `tags may have empty values and further equals signs`() throws {
        let tags = try NamePairs.tags(["a=1", "b=", "c=x=y"])
        #expect(tags == ["a": "1", "b": "", "c": "x=y"])
    }

    @Test(arguments: [["a"], ["=1"], ["a=1", "a=2"]])
    func `refuses tags without a key, or given twice`(texts: [String]) {
        #expect(throws: LifeboatError.self) { try NamePairs.tags(texts) }
    }

    @Test(arguments: [["c=f"], ["a="], ["a=f", "a=g"]])
    func `changed extents belong to one volume each`(texts: [String]) {
        #expect(throws: LifeboatError.self) {
            try NamePairs.changedExtents(texts, volumes: ["a", "b"])
        }
    }
}
