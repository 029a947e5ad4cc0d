import Foundation
import LifeboatCore
import LifeboatSystem
import LifeboatTesting
import LifeboatVolume
import Testing

/// Against nbdkit, which takes root in no test but must be installed.
@Suite struct NBDVolumeTests {
    @Test(arguments: TestSeeds.all) func `what is written over NBD reads back`(seed: UInt64) throws
    {
        var generator = SeededGenerator(seed: seed)
        let size = 3_000_000
        let server = try NBDKit(["memory", "\(size)"])
        let target = try NBDTarget(uri: server.uri, startsZeroed: true)
        #expect(target.size == UInt64(size) && target.startsZeroed)
        var expected = [UInt8](repeating: 0, count: size)
        for _ in 0..<40 {
            let offset = Int.random(in: 0..<size, using: &generator)
            let count = Int.random(in: 1...min(200_000, size - offset), using: &generator)
            if Bool.random(using: &generator) {
                let bytes = generator.bytes(count)
                expected.replaceSubrange(offset..<offset + count, with: bytes)
                try target.write(bytes, at: UInt64(offset))
            } else {
                expected.replaceSubrange(
                    offset..<offset + count, with: [UInt8](repeating: 0, count: count))
                try target.zero(Extent(offset: UInt64(offset), length: UInt64(count)))
            }
        }
        try target.sync()
        let volume = try NBDVolume(uri: server.uri)
        #expect(try volume.bytes(0, size) == expected)
        #expect(try volume.currentSize() == UInt64(size))
        for extent in try holes(volume) {
            #expect(expected[Int(extent.offset)..<Int(extent.end)].allSatisfy { $0 == 0 })
        }
        let buffer = Buffer(capacity: 1000)
        #expect(try target.read(at: UInt64(size) - 10, into: buffer.storage) == 10)
        #expect(Array(buffer.storage.prefix(10)) == Array(expected.suffix(10)))
    }

    private func holes(_ volume: NBDVolume) throws -> [Extent] {
        var result: [Extent] = []
        var position: UInt64 = 0
        for extent in try volume.extents(from: 0, to: .max >> 1) {
            result.append(Extent(offset: position, length: extent.offset - position))
            position = extent.end
        }
        return result + [Extent(offset: position, length: volume.size - position)]
    }

    @Test func `holes of a large sparse export are told, and windows clipped`() throws {
        let server = try NBDKit(["memory", "\(1 << 41)"])
        let target = try NBDTarget(uri: server.uri)
        let far: UInt64 = (1 << 40) + (5 << 30)
        try target.write([UInt8](repeating: 7, count: 1 << 16), at: far)
        let volume = try NBDVolume(uri: server.uri)
        #expect(
            try volume.extents(from: far - (3 << 30), to: far + (9 << 30))
                .map { $0.offset <= far && $0.end >= far + (1 << 16) } == [true])
        #expect(
            try volume.extents(from: far + 1000, to: far + 2000)
                == [Extent(offset: far + 1000, length: 1000)])
        #expect(try volume.extents(from: 0, to: 1 << 33) == [])
    }

    @Test(arguments: [512, 4096]) func `a server that wants aligned requests gets them`(
        alignment: Int
    ) throws {
        let server = try NBDKit([
            "--filter=blocksize-policy", "memory", "1M", "blocksize-minimum=\(alignment)",
            "blocksize-preferred=4096", "blocksize-maximum=64K",
            "blocksize-error-policy=error",
        ])
        var generator = SeededGenerator(seed: UInt64(alignment))
        let bytes = generator.bytes(300_001)
        let target = try NBDTarget(uri: server.uri)
        try target.write(bytes, at: 1001)
        try target.zero(Extent(offset: 2000, length: 100_003))
        let volume = try NBDVolume(uri: server.uri)
        var expected = [UInt8](repeating: 0, count: 1 << 20)
        expected.replaceSubrange(1001..<1001 + bytes.count, with: bytes)
        expected.replaceSubrange(2000..<102_003, with: [UInt8](repeating: 0, count: 100_003))
        #expect(try volume.bytes(0, 1 << 20) == expected)
        #expect(try volume.bytes(1003, 77) == Array(expected[1003..<1080]))
    }

    @Test func `many threads read at once`() throws {
        let server = try NBDKit(["pattern", "64M"], isReadOnly: true)
        let volume = try NBDVolume(uri: server.uri)
        let wrong = Guarded(0)
        Threads.run(count: 8, name: "read") { thread in
            for round in 0..<20 {
                let offset = UInt64(thread * 20 + round) * 400_000
                guard let bytes = try? volume.bytes(offset, 65536) else {
                    wrong.withLock { $0 += 1 }
                    continue
                }
                // Each eight bytes hold their own offset, the highest byte first.
                for index in stride(from: 0, to: bytes.count, by: 8) {
                    let number = bytes[index..<index + 8].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
                    if number != offset + UInt64(index) { wrong.withLock { $0 += 1 } }
                }
            }
        }
        #expect(wrong.withLock { $0 } == 0)
    }

    @Test func `a server that takes one client at a time is enough`() throws {
        let server = try NBDKit(["--filter=limit", "pattern", "8M", "limit=1"], isReadOnly: true)
        let volume = try NBDVolume(uri: server.uri)
        let failures = Guarded<[String]>([])
        Threads.run(count: 4, name: "read") { thread in
            do throws(LifeboatError) {
                for _ in 0..<5 { _ = try volume.bytes(UInt64(thread) << 20, 1 << 20) }
            } catch {
                failures.withLock { $0.append(error.description) }
            }
        }
        #expect(failures.withLock { $0 } == [])
    }

    @Test func `an error of the server names the range, and the connection goes on`() throws {
        let server = try NBDKit(
            [
                "eval", "get_size=echo 1048576",
                "pread=if [ $4 -le 65536 -a $(($3 + $4)) -gt 65536 ]; then echo EIO bad >&2; "
                    + "exit 1; fi; dd if=/dev/zero count=$3 iflag=count_bytes status=none",
            ], isReadOnly: true)
        let volume = try NBDVolume(uri: server.uri)
        let error = failure { () throws(LifeboatError) in _ = try volume.bytes(60000, 10000) }
        #expect(error?.code == .unreadable)
        #expect(error?.subject == server.uri)
        #expect(error?.message.contains("60000-70000") == true)
        #expect(try volume.bytes(0, 100) == [UInt8](repeating: 0, count: 100))
        let past = failure { () throws(LifeboatError) in _ = try volume.bytes(1 << 20, 1) }
        #expect(past?.code == .unreadable)
    }

    @Test func `a slow server is waited for as long as it makes progress`() throws {
        let server = try NBDKit(
            ["--filter=delay", "pattern", "64M", "rdelay=400ms"], isReadOnly: true)
        var options = NBDOptions()
        options.timeoutSeconds = 20
        let volume = try NBDVolume(uri: server.uri, options: options)
        #expect(try volume.bytes(0, 20 << 20).count == 20 << 20)
        options.timeoutSeconds = 0.1
        let hasty = failure { () throws(LifeboatError) in
            _ = try NBDVolume(uri: server.uri, options: options).bytes(0, 4096)
        }
        #expect(hasty?.code == .unavailable)
        #expect(hasty?.message.contains("0-4096") == true)
    }

    @Test func `a server that dies in the middle of reading is an error`() throws {
        let server = try NBDKit(
            ["--filter=delay", "pattern", "64M", "rdelay=3600"], isReadOnly: true)
        var options = NBDOptions()
        options.reconnects = 0
        let volume = try NBDVolume(uri: server.uri, options: options)
        let killer = Threads.start(name: "kill") {
            Threads.sleep(seconds: 0.5)
            server.child.kill()
        }
        let error = failure { () throws(LifeboatError) in _ = try volume.bytes(4096, 1 << 20) }
        killer.join()
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains("4096-1052672") == true)
        #expect(error?.subject == server.uri)
    }

    @Test func `a server that comes back is read on, and one that has become another is not`()
        throws
    {
        let folder = try TemporaryDirectory()
        var server: NBDKit? = try NBDKit(["pattern", "1M"], folder: folder, isReadOnly: true)
        let volume = try NBDVolume(uri: try #require(server?.uri))
        let before = try volume.bytes(0, 1 << 20)
        func restart(_ arguments: [String]) throws {
            server?.child.kill()
            server = nil
            try Files.remove(folder.file("socket"))
            server = try NBDKit(arguments, folder: folder, isReadOnly: true)
        }
        try restart(["pattern", "1M"])
        #expect(try volume.bytes(0, 1 << 20) == before)
        try restart(["pattern", "2M"])
        let error = failure { () throws(LifeboatError) in _ = try volume.bytes(0, 4096) }
        #expect(error?.cause?.contains("another export") == true)
    }

    @Test func `a server that never answers is an error in time`() throws {
        let folder = try TemporaryDirectory()
        let listener = try ChildProcess(
            .init(["socat", "UNIX-LISTEN:\(folder.file("socket")),fork", "EXEC:sleep 3600"]))
        defer { listener.kill() }
        try NBDKit.await { try UNIXSocket.isListening(folder.file("socket")) }
        var options = NBDOptions()
        options.timeoutSeconds = 0.5
        options.name = "the silent one"
        let error = failure { () throws(LifeboatError) in
            _ = try NBDVolume(
                uri: "nbd+unix:///?socket=\(folder.file("socket"))", options: options)
        }
        #expect(error?.code == .unavailable)
        #expect(error?.subject == "the silent one")
        #expect(error?.cause?.contains("0.5 s") == true)
    }

    @Test(arguments: [
        ("nbd+unix:///?socket=/nonexistent/socket", LifeboatError.Code.unavailable),
        ("nbd+unix:///", .refused), ("http://localhost/", .refused), ("nbd://[::1/", .refused),
    ]) func `what cannot be connected to is told`(uri: String, code: LifeboatError.Code) {
        let error = failure { () throws(LifeboatError) in _ = try NBDVolume(uri: uri) }
        #expect(error?.code == code, "\(error?.description ?? "")")
        #expect(error?.subject == uri)
    }

    @Test func `only what nobody writes to is frozen`() throws {
        let writable = try NBDKit(["memory", "1M"])
        let fixed = try NBDKit(["memory", "1M"], isReadOnly: true)
        #expect(try NBDVolume(uri: fixed.uri).inUse == nil)
        #expect(
            try NBDVolume(uri: writable.uri).inUse
                == "an NBD export that nothing says is frozen")
        var options = NBDOptions()
        options.isFrozen = true
        #expect(try NBDVolume(uri: writable.uri, options: options).inUse == nil)
        #expect(throws: LifeboatError(.refused, "", subject: fixed.uri)) {
            _ = try NBDTarget(uri: fixed.uri)
        }
        #expect(throws: LifeboatError(.missing, "", subject: fixed.uri)) {
            _ = try NBDVolume(uri: fixed.uri).changedExtents()
        }
        #expect(throws: LifeboatError(.refused, "", subject: writable.uri)) {
            try NBDTarget(uri: writable.uri).write([1, 2], at: (1 << 20) - 1)
        }
    }

    @Test func `a full server says so`() throws {
        let server = try NBDKit(
            ["--filter=error", "memory", "1M", "error-pwrite=ENOSPC", "error-pwrite-rate=100%"])
        let error = failure { () throws(LifeboatError) in
            try NBDTarget(uri: server.uri).write([1, 2, 3, 4], at: 0)
        }
        #expect(error?.code == .full)
    }

    @Test func `keys and certificates are asked for by TLS`() throws {
        let folder = try TemporaryDirectory()
        let keys = folder.file("keys.psk")
        try Files.writeAtomically(
            keys, Array("somebody:0123456789abcdef0123456789abcdef\n".utf8))
        let server = try NBDKit(
            ["--tls=require", "--tls-psk=\(keys)", "pattern", "1M"], isReadOnly: true)
        let open = failure { () throws(LifeboatError) in _ = try NBDVolume(uri: server.uri) }
        #expect(open?.code == .unavailable)
        let uri = "nbds+unix://somebody@/?socket=\(server.socket)"
        #expect(try NBDVolume(uri: uri + "&tls-psk-file=\(keys)").size == 1 << 20)
        var options = NBDOptions()
        options.tlsKeyFile = keys
        #expect(try NBDVolume(uri: uri, options: options).bytes(8, 8) == [0, 0, 0, 0, 0, 0, 0, 8])
    }
}
