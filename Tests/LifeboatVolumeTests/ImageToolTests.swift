import LifeboatCore
import LifeboatSystem
import LifeboatTesting
import Testing

@testable import LifeboatVolume

/// With QEMU's own program.
@Suite struct ImageToolTests {
    @Test(arguments: ImageFormat.allCases)
    func `a new image is what was asked for, and nobody else's`(format: ImageFormat) throws {
        let folder = try TemporaryDirectory()
        // QEMU takes what stands before a colon for a protocol.
        let path = folder.file("nbd:a, b.\(format.rawValue)")
        try ImageTool.createNew(path, format: format, size: 3 << 20)
        let image = try ImageTool.information(path, format: format.rawValue)
        #expect(image.format == format.rawValue)
        #expect(image.size == 3 << 20)
        #expect(image.backing == nil && image.dataFile == nil && image.snapshotCount == 0)
        #expect(image.bitmaps.isEmpty)
        #expect(image.keepsBitmaps == (format == .qcow2))
        #expect(throws: LifeboatError(.exists, "", subject: path)) {
            try ImageTool.createNew(path, format: format, size: 3 << 20)
        }
        #expect(try ImageTool.information(path, format: format.rawValue) == image)
    }

    @Test func `nothing is left of an image that cannot be made`() throws {
        let folder = try TemporaryDirectory()
        let path = folder.file("disk")
        // No raw image is an overlay, which QEMU notices before it makes anything.
        #expect(throws: LifeboatError(.unavailable, "", subject: path)) {
            try ImageTool.createNew(
                path, format: .raw, size: 1 << 20, backing: "nbd+unix:///root?socket=/nowhere/nbd")
        }
        #expect(!Files.exists(path))
        #expect(throws: LifeboatError(.unavailable, "", subject: path)) {
            try ImageTool.createNew(path, format: .qcow2, size: 1 << 62)
        }
        #expect(!Files.exists(path))
    }

    @Test func `bitmaps come and go`() throws {
        let folder = try TemporaryDirectory()
        let path = folder.file("disk.qcow2")
        try ImageTool.createNew(path, format: .qcow2, size: 1 << 20)
        try ImageTool.addBitmap("one", to: path)
        try ImageTool.addBitmap("two", to: path)
        #expect(
            try ImageTool.information(path).bitmaps == [
                .init(name: "one", isReliable: true), .init(name: "two", isReliable: true),
            ])
        try ImageTool.removeBitmap("one", of: path)
        #expect(try ImageTool.information(path).bitmaps.map(\.name) == ["two"])
        #expect(throws: LifeboatError(.unreadable, "", subject: path)) {
            try ImageTool.removeBitmap("one", of: path)
        }
    }

    @Test func `an overlay names what is behind it, which need not be there`() throws {
        let folder = try TemporaryDirectory()
        let path = folder.file("disk.qcow2")
        let uri = "nbd+unix:///root?socket=/nowhere/nbd"
        try ImageTool.createNew(path, format: .qcow2, size: 1 << 20, backing: uri)
        #expect(try ImageTool.information(path).backing == uri)
    }

    @Test func `a data file is told of`() throws {
        let folder = try TemporaryDirectory()
        let (path, first, second) = (
            folder.file("disk.qcow2"), folder.file("first"), folder.file("second")
        )
        try ImageTool.create(
            path, format: .qcow2, size: 1 << 20,
            options: ["-o", "data_file=\(first),data_file_raw=on"])
        try ImageTool.amend(
            path, format: .qcow2, options: "data_file=\(second),data_file_raw=on")
        let image = try ImageTool.information(path, format: "qcow2")
        #expect(image.dataFile == second && image.hasRawDataFile)
    }

    @Test func `the old version of qcow2 keeps no bitmaps`() throws {
        let folder = try TemporaryDirectory()
        let path = folder.file("disk.qcow2")
        try ImageTool.create(
            path, format: .qcow2, size: 1 << 20, options: ["-o", "compat=0.10"])
        #expect(try !ImageTool.information(path).keepsBitmaps)
    }

    @Test func `an image that is in use is looked at only where that was said`() throws {
        let folder = try TemporaryDirectory()
        let path = folder.file("disk.qcow2")
        try ImageTool.createNew(path, format: .qcow2, size: 1 << 20)
        let server = try ImageServer(path: path, format: .qcow2, isWritable: true)
        defer { server.close() }
        #expect(try ImageTool.information(path).size == 1 << 20)
        #expect(throws: LifeboatError(.refused, "", subject: path)) {
            try ImageTool.information(path, isShared: false)
        }
        #expect(throws: LifeboatError(.refused, "", subject: path)) {
            try ImageTool.addBitmap("one", to: path)
        }
    }

    @Test func `what is no image is unreadable`() throws {
        let folder = try TemporaryDirectory()
        let path = folder.file("disk.qcow2")
        #expect(throws: LifeboatError(.unreadable, "", subject: path)) {
            try ImageTool.information(path)
        }
        try Files.writeAtomically(path, [UInt8](repeating: 7, count: 4096))
        #expect(try ImageTool.information(path).format == "raw")
        #expect(throws: LifeboatError(.unreadable, "", subject: path)) {
            try ImageTool.information(path, format: "qcow2")
        }
    }

    private static let words: [(String, String, LifeboatError.Code)] = [
        ("info", "Failed to get shared \"write\" lock", .refused),
        ("info", "Could not open 'block': No such file or directory", .unreadable),
        ("create", "Could not open 'a': Permission denied", .denied),
        ("create", "a: Could not resize image: No space left on device", .full),
        ("create", "Invalid parameter 'data_file_raw'", .unsupported),
        ("bitmap", "qemu-img: Command not found: bitmap", .unsupported),
        ("create", "Image size must be less than 8 EiB!", .unavailable),
    ]

    @Test(arguments: words)
    func `what it says decides`(verb: String, words: String, code: LifeboatError.Code) {
        #expect(ImageTool.failure(verb, "/a", words).code == code)
        #expect(ImageTool.failure(verb, "/a", words).subject == "/a")
    }

    @Test func `a bitmap that was not put away is not relied on`() throws {
        let answer = """
            {"virtual-size": 512, "format": "qcow2", "format-specific": {"type": "qcow2", "data":
            {"compat": "1.1", "bitmaps": [{"flags": ["in-use", "auto"], "name": "crashed"},
            {"flags": [], "name": "off"}, {"flags": ["auto"], "name": "good"}, {"flags": []}]}}}
            """
        let image = try ImageInformation(parsing: Array(answer.utf8))
        #expect(
            image.bitmaps == [
                .init(name: "crashed", isReliable: false), .init(name: "off", isReliable: false),
                .init(name: "good", isReliable: true),
            ])
        #expect(image.keepsBitmaps)
        #expect(throws: LifeboatError(.damaged, "", subject: "qemu-img")) {
            try ImageInformation(parsing: Array("{".utf8))
        }
    }
}
