import Foundation
import LifeboatCore
import LifeboatSystem
import LifeboatTesting
import LifeboatVolume
import Testing

/// These tests attach loop devices and mount them, which takes root.
@Suite(.serialized) struct VolumeUseTests {
    @discardableResult
    private func run(_ words: String...) throws -> String {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = words
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        let text = String(
            decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "\(words) failed")
        return text.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    @Test func `a file at rest is not in use`() throws {
        let folder = try TemporaryDirectory()
        try Files.writeAtomically(folder.file("v"), [1])
        #expect(try FileVolume(path: folder.file("v")).inUse == nil)
        let own = try File(path: folder.file("v"), access: .readWrite)
        #expect(try FileVolume(path: folder.file("v")).inUse == nil)
        #expect(own.hasWriter == true)
    }

    @Test func `another process that has it open for writing is named`() throws {
        let folder = try TemporaryDirectory()
        try Files.writeAtomically(folder.file("v"), [1])
        let writer = Process()
        writer.executableURL = URL(filePath: "/bin/sleep")
        writer.arguments = ["30"]
        writer.standardOutput = try FileHandle(
            forUpdating: URL(filePath: folder.file("v")))
        try writer.run()
        let use = try FileVolume(path: folder.file("v")).inUse
        kill(writer.processIdentifier, SIGKILL)
        writer.waitUntilExit()
        #expect(use == "open for writing by process \(writer.processIdentifier)")
    }

    @Test func `loop devices and mounts are found, and mounted devices not overwritten`() throws {
        let folder = try TemporaryDirectory()
        let image = folder.file("image")
        _ = try FileTarget.createNew(path: image, size: 32 << 20)
        try run("mkfs.ext4", "-q", image)
        let loop = try run("losetup", "-f", "--show", image)
        defer { _ = try? run("losetup", "-d", loop) }

        #expect(try FileVolume(path: image).inUse == "attached to \(loop)")
        let device = try FileVolume(path: loop)
        #expect(device.size == 32 << 20)
        #expect(device.inUse == nil)

        let place = folder.file("a place")
        try Files.makeDirectories(place)
        try run("mount", loop, place)
        #expect(device.inUse == "mounted at \(place)")
        #expect(try FileVolume(path: image).inUse == "mounted at \(place)")
        #expect(throws: LifeboatError(.refused, "", subject: loop)) {
            _ = try FileTarget.openExisting(path: loop)
        }
        try run("umount", place)
        #expect(device.inUse == nil)
    }

    @Test func `a block device is written, zeroed and read`() throws {
        let folder = try TemporaryDirectory()
        let image = folder.file("image")
        let size = (8 << 20) + 512
        _ = try FileTarget.createNew(path: image, size: UInt64(size))
        let loop = try run("losetup", "-f", "--show", image)
        defer { _ = try? run("losetup", "-d", loop) }
        let buffer = Buffer(capacity: size)
        buffer.count = size
        buffer.storage.initializeMemory(as: UInt8.self, repeating: 3)
        do {
            let target = try FileTarget.openExisting(path: loop)
            #expect(target.size == UInt64(size))
            try target.write(at: 0, buffer.bytes)
            try target.zero(Extent(offset: 1 << 20, length: 1 << 20))
            try target.zero(Extent(offset: 100, length: 200))
            try target.sync()
            target.dropCache()
        }
        let volume = try FileVolume(path: loop)
        #expect(try volume.extents(from: 0, to: UInt64(size)).map(\.length) == [UInt64(size)])
        try volume.read(at: 0, into: buffer.storage)
        let zeros = buffer.storage.enumerated().filter { $0.element == 0 }.map(\.offset)
        #expect(zeros == Array(100..<300) + Array((1 << 20)..<(2 << 20)))
    }
}
