import LifeboatCore
import LifeboatSystem
import LifeboatTesting
import LifeboatVolume
import Testing

/// With QEMU's own tools.
@Suite struct ImageTests {
    private func run(_ arguments: String...) throws {
        let result = try ChildProcess.run(.init(arguments), timeoutSeconds: 120)
        try #require(result.isSuccess, "\(arguments): \(result.lastWords)")
    }

    @Test(arguments: ImageFormat.allCases, TestSeeds.all)
    func `every format reads back what was written`(format: ImageFormat, seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        let folder = try TemporaryDirectory()
        let path = folder.file("a disk: 1.\(format.rawValue)")
        let size = 3 << 20
        try run("qemu-img", "create", "-q", "-f", format.rawValue, path, "\(size)")
        var expected = [UInt8](repeating: 0, count: size)
        do {
            let server = try ImageServer(path: path, format: format, isWritable: true)
            let target = try NBDTarget(uri: server.uri, startsZeroed: true)
            #expect(target.size == UInt64(size))
            for _ in 0..<20 {
                let offset = Int.random(in: 0..<size, using: &generator)
                let count = Int.random(in: 1...min(100_000, size - offset), using: &generator)
                let isZero = Int.random(in: 0..<4, using: &generator) == 0
                let bytes =
                    isZero ? [UInt8](repeating: 0, count: count) : generator.bytes(count)
                expected.replaceSubrange(offset..<offset + count, with: bytes)
                if isZero {
                    try target.zero(Extent(offset: UInt64(offset), length: UInt64(count)))
                } else {
                    try target.write(bytes, at: UInt64(offset))
                }
            }
            try target.sync()
            let socket = String(server.uri.dropFirst("nbd+unix:///?socket=".count))
            #expect(Files.exists(socket))
            server.close()
            #expect(!Files.exists(Files.parent(of: socket)))
        }
        let raw = folder.file("raw")
        try run("qemu-img", "convert", "-f", format.rawValue, "-O", "raw", path, raw)
        #expect(try Files.readWhole(raw, limit: size) == expected)
        let volume = try ImageFileVolume(path: path, format: format)
        #expect(volume.size == UInt64(size) && volume.name == path && volume.inUse == nil)
        #expect(try volume.bytes(0, size) == expected)
        var rest = expected
        for extent in try volume.extents(from: 0, to: UInt64(size)) {
            let count = Int(extent.length)
            rest.replaceSubrange(
                Int(extent.offset)..<Int(extent.end), with: [UInt8](repeating: 0, count: count))
        }
        #expect(rest == [UInt8](repeating: 0, count: size))
        #expect(ImageFormat(contentOf: path) == (format == .raw ? nil : format))
        #expect(try VolumeOpener.open(source: path).bytes(0, size) == expected)
    }

    @Test func `a bitmap tells what was written since`() throws {
        let folder = try TemporaryDirectory()
        let path = folder.file("disk.qcow2")
        try run("qemu-img", "create", "-q", "-f", "qcow2", path, "64M")
        try run("qemu-img", "bitmap", "--add", "-g", "65536", path, "since")
        do {
            let server = try ImageServer(path: path, format: .qcow2, isWritable: true)
            let target = try NBDTarget(uri: server.uri)
            try target.write([1, 2, 3], at: 5 << 20)
            try target.write([UInt8](repeating: 4, count: 1 << 17), at: (9 << 20) + 65536)
            try target.sync()
        }
        let volume = try ImageFileVolume(path: path, format: .qcow2, bitmap: "since")
        #expect(
            try volume.changedExtents() == [
                Extent(offset: 5 << 20, length: 65536),
                Extent(offset: (9 << 20) + 65536, length: 1 << 17),
            ])
        #expect(try volume.bytes(5 << 20, 4) == [1, 2, 3, 0])
        let error = failure { () throws(LifeboatError) in
            _ = try ImageFileVolume(path: path, format: .qcow2, bitmap: "other")
        }
        #expect(error?.code == .unreadable)
        #expect(error?.cause?.contains("other") == true)
    }

    @Test func `a chain of images is one volume`() throws {
        let folder = try TemporaryDirectory()
        let base = folder.file("base.qcow2")
        let top = folder.file("top.qcow2")
        try run("qemu-img", "create", "-q", "-f", "qcow2", base, "4M")
        try run("qemu-io", "-f", "qcow2", "-c", "write -P 7 1M 64k", base)
        try run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base, top)
        try run("qemu-io", "-f", "qcow2", "-c", "write -P 8 3M 64k", top)
        let volume = try VolumeOpener.open(source: top)
        #expect(try volume.bytes(1 << 20, 2) == [7, 7])
        #expect(try volume.bytes(3 << 20, 2) == [8, 8])
        #expect(
            try volume.extents(from: 0, to: 4 << 20) == [
                Extent(offset: 1 << 20, length: 65536), Extent(offset: 3 << 20, length: 65536),
            ])
    }

    @Test func `an image that a machine has open is refused with advice`() throws {
        let folder = try TemporaryDirectory()
        let path = folder.file("disk.qcow2")
        try run("qemu-img", "create", "-q", "-f", "qcow2", path, "4M")
        let machine = try ImageServer(path: path, format: .qcow2, isWritable: true)
        let error = failure { () throws(LifeboatError) in
            _ = try VolumeOpener.open(source: path)
        }
        #expect(error?.code == .refused)
        #expect(error?.subject == path)
        #expect(error?.advice?.contains("libvirt:DOMAIN") == true)
        machine.close()
        #expect(try VolumeOpener.open(source: path).size == 4 << 20)
    }

    @Test func `what is no image of its name's format is told with QEMU's words`() throws {
        let folder = try TemporaryDirectory()
        let path = folder.file("disk.qcow2")
        try Files.writeAtomically(path, [UInt8](repeating: 1, count: 1 << 20))
        let error = failure { () throws(LifeboatError) in
            _ = try VolumeOpener.open(source: path)
        }
        #expect(error?.code == .unreadable)
        #expect(error?.cause?.contains("not in qcow2 format") == true)
        #expect(throws: LifeboatError(.missing, "", subject: folder.file("none.qcow2"))) {
            _ = try VolumeOpener.open(source: folder.file("none.qcow2"))
        }
    }

    @Test func `a server that dies is told with its last words' place`() throws {
        let folder = try TemporaryDirectory()
        let path = folder.file("disk.qcow2")
        try run("qemu-img", "create", "-q", "-f", "qcow2", path, "4M")
        let server = try ImageServer(path: path, format: .qcow2)
        var options = NBDOptions()
        options.reconnects = 0
        options.name = path
        let volume = try NBDVolume(uri: server.uri, options: options)
        server.close()
        let error = failure { () throws(LifeboatError) in _ = try volume.bytes(0, 512) }
        #expect(error?.code == .unavailable)
        #expect(error?.subject == path)
    }

    @Test func `names decide what a source is`() {
        let cases: [(String, VolumeLocation)] = [
            ("/srv/disk.qcow2", .image("/srv/disk.qcow2", .qcow2)),
            ("disk.VHDX", .image("disk.VHDX", .vhdx)), ("a.vdi", .image("a.vdi", .vdi)),
            ("a.vmdk", .image("a.vmdk", .vmdk)), ("a-flat.vmdk", .file("a-flat.vmdk")),
            ("disk.raw", .file("disk.raw")), ("/dev/vg/root", .file("/dev/vg/root")),
            ("qcow2", .file("qcow2")), ("x.qcow2/disk", .file("x.qcow2/disk")),
            ("nbd://host/export", .export("nbd://host/export")),
            ("nbds+unix:///?socket=/run/s", .export("nbds+unix:///?socket=/run/s")),
            ("nbd:disk", .file("nbd:disk")), ("http://host/a", .file("http://host/a")),
        ]
        for (name, location) in cases { #expect(VolumeLocation(name) == location, "\(name)") }
    }

    @Test func `an image by another name is noticed`() throws {
        let folder = try TemporaryDirectory()
        for format in ImageFormat.allCases where format != .raw {
            let path = folder.file("\(format.rawValue).img")
            try run("qemu-img", "create", "-q", "-f", format.rawValue, path, "4M")
            let notes = VolumeOpener.notes(source: path)
            #expect(notes.count == 1 && notes[0].contains("a \(format.rawValue) image"))
            let size = try #require(try Files.size(path))
            #expect(try VolumeOpener.open(source: path).size == size)
            let named = folder.file("named.\(format.rawValue)")
            try Files.rename(from: path, to: named)
            #expect(VolumeOpener.notes(source: named) == [])
        }
        try Files.writeAtomically(folder.file("raw"), [1, 2, 3])
        #expect(VolumeOpener.notes(source: folder.file("raw")) == [])
        #expect(VolumeOpener.notes(source: "nbd://localhost/") == [])
    }
}
