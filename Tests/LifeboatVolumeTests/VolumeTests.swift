import LifeboatCore
import LifeboatSystem
import LifeboatTesting
import LifeboatVolume
import Synchronization
import Testing

@Suite struct FileVolumeTests {
    private func make(_ path: String, _ count: Int) throws -> [UInt8] {
        var generator = SeededGenerator(seed: UInt64(count))
        let bytes = generator.bytes(count)
        try Files.writeAtomically(path, bytes)
        return bytes
    }

    @Test(arguments: [1, 511, 4096, 5000, 1 << 20, (1 << 20) + 777])
    func `reads odd sizes, cached or not, aligned or not`(count: Int) throws {
        let folder = try TemporaryDirectory()
        let bytes = try make(folder.file("v"), count)
        let cache = try File(path: folder.file("v"), access: .read)
        let whole = Extent(offset: 0, length: 0)
        for isCached in [true, false] {
            for shift in [0, 1, 512] {
                for start in [0, min(count - 1, 4096), count / 2] {
                    if !isCached { cache.dropCache(whole) }
                    let volume = try FileVolume(path: folder.file("v"))
                    let buffer = Buffer(capacity: count + shift)
                    let target = UnsafeMutableRawBufferPointer(
                        rebasing: buffer.storage[shift..<(shift + count - start)])
                    try volume.read(at: UInt64(start), into: target)
                    #expect(Array(target) == Array(bytes[start...]))
                }
            }
        }
    }

    @Test func `leaves the page cache as it was`() throws {
        let folder = try TemporaryDirectory()
        let count = (4 << 20) + 100
        _ = try make(folder.file("v"), count)
        let file = try File(path: folder.file("v"), access: .read)
        let whole = Extent(offset: 0, length: UInt64(count))
        let volume = try FileVolume(path: folder.file("v"))
        let buffer = Buffer(capacity: count)
        let before = file.cachedPages(whole)
        try volume.read(at: 0, into: buffer.storage)
        #expect(file.cachedPages(whole) == before)
        file.dropCache(whole)
        file.dropCache(Extent(offset: 0, length: 0))
        #expect(file.cachedPages(whole) == 0)
        try volume.read(at: 0, into: buffer.storage)
        #expect(file.cachedPages(whole) == 0)
    }

    @Test func `tells holes`() throws {
        let folder = try TemporaryDirectory()
        let target = try FileTarget.createNew(path: folder.file("v"), size: 8 << 20)
        let page = Buffer(capacity: 4096)
        page.count = 4096
        page.storage.initializeMemory(as: UInt8.self, repeating: 1)
        try target.write(at: 2 << 20, page.bytes)
        try target.sync()
        let volume = try FileVolume(path: folder.file("v"))
        #expect(
            try volume.extents(from: 0, to: .max >> 1) == [Extent(offset: 2 << 20, length: 4096)])
        #expect(try volume.extents(from: 4 << 20, to: 8 << 20) == [])
    }

    @Test func `a file that shrinks is an error that names the range`() throws {
        let folder = try TemporaryDirectory()
        _ = try make(folder.file("v"), 100_000)
        let volume = try FileVolume(path: folder.file("v"))
        try File(path: folder.file("v"), access: .readWrite).truncate(to: 70_000)
        let buffer = Buffer(capacity: 65536)
        do throws(LifeboatError) {
            try volume.read(
                at: 65536,
                into: UnsafeMutableRawBufferPointer(
                    rebasing: buffer.storage[..<34464]))
            Issue.record("read past the end")
        } catch {
            #expect(error.code == .unreadable)
            #expect(error.message.contains("byte 70000"))
            #expect(error.message.contains("65536-100000"))
            #expect(error.subject == volume.name)
        }
        #expect(try volume.currentSize() == 70_000)
        #expect(volume.size == 100_000)
    }

    @Test func `reads while others write`() throws {
        let folder = try TemporaryDirectory()
        let path = folder.file("v")
        try Files.writeAtomically(path, [UInt8](repeating: 1, count: 1 << 20))
        let volume = try FileVolume(path: path)
        let isDone = Atomic<Bool>(false)
        let failures = Atomic<Int>(0)
        let writer = Threads.start(name: "writer") {
            guard let file = try? File(path: path, access: .readWrite) else { return }
            let page = Buffer(capacity: 4096)
            page.count = 4096
            page.storage.initializeMemory(as: UInt8.self, repeating: 2)
            var number: UInt64 = 0
            while !isDone.load(ordering: .relaxed) {
                try? file.write(at: number % 256 * 4096, page.bytes)
                number += 7
            }
        }
        Threads.run(count: 3, name: "reader") { _ in
            let buffer = Buffer(capacity: 1 << 18)
            for round in 0..<40 {
                let offset = UInt64(round % 4) << 18
                do {
                    try volume.read(at: offset, into: buffer.storage)
                } catch {
                    failures.add(1, ordering: .relaxed)
                }
                if !buffer.storage.allSatisfy({ $0 == 1 || $0 == 2 }) {
                    failures.add(1, ordering: .relaxed)
                }
            }
        }
        isDone.store(true, ordering: .relaxed)
        writer.join()
        #expect(failures.load(ordering: .relaxed) == 0)
    }

    @Test func `refuses what is no volume`() throws {
        let folder = try TemporaryDirectory()
        for path in [folder.path, "/dev/null"] {
            #expect(throws: LifeboatError(.refused, "", subject: path)) {
                _ = try FileVolume(path: path)
            }
        }
        #expect(throws: LifeboatError(.missing, "", subject: folder.file("x"))) {
            _ = try FileVolume(path: folder.file("x"))
        }
    }

    @Test func `a stream ends short`() throws {
        let folder = try TemporaryDirectory()
        let bytes = try make(folder.file("v"), 10_000)
        let file = try File(path: folder.file("v"), access: .read)
        let stream = StreamVolume(descriptor: file.descriptor, name: "standard input")
        let buffer = Buffer(capacity: 8192)
        #expect(try stream.read(into: buffer.storage) == 8192)
        #expect(try stream.read(into: buffer.storage) == 1808)
        #expect(Array(buffer.storage.prefix(1808)) == Array(bytes[8192...]))
        #expect(try stream.read(into: buffer.storage) == 0)
    }
}

@Suite struct FileTargetTests {
    @Test func `a new target is sparse and reads as zeros`() throws {
        let folder = try TemporaryDirectory()
        let path = folder.file("t")
        let target = try FileTarget.createNew(path: path, size: 1 << 30)
        #expect(target.startsZeroed)
        #expect(try target.dataExtents(from: 0, to: 1 << 30) == [])
        #expect(throws: LifeboatError(.exists, "", subject: path)) {
            _ = try FileTarget.createNew(path: path, size: 1)
        }
        #expect(throws: LifeboatError(.refused, "", subject: path)) {
            try target.zero(Extent(offset: 1 << 30, length: 1))
        }
    }

    @Test func `zeroes odd runs`() throws {
        let folder = try TemporaryDirectory()
        try Files.writeAtomically(folder.file("t"), [UInt8](repeating: 9, count: 20_000))
        let target = try FileTarget.openExisting(path: folder.file("t"))
        #expect(!target.startsZeroed)
        try target.zero(Extent(offset: 100, length: 15_000))
        try target.sync()
        target.dropCache()
        let buffer = Buffer(capacity: 30_000)
        #expect(try target.read(at: 0, into: buffer.storage) == 20_000)
        let expected =
            [UInt8](repeating: 9, count: 100) + [UInt8](repeating: 0, count: 15_000)
            + [UInt8](repeating: 9, count: 4900)
        #expect(Array(buffer.storage.prefix(20_000)) == expected)
    }
}
