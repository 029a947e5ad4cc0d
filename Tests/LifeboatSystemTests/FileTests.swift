import Glibc
import LifeboatCore
import LifeboatSystem
import Testing

@Suite final class FileTests {
    let folder: String

    init() throws {
        folder = "/tmp/lifeboat-\(Identifier.random().hex)"
        try Files.makeDirectories(folder)
    }

    deinit {
        for name in (try? Files.list(folder)) ?? [] { try? Files.remove("\(folder)/\(name)") }
        try? Files.remove(folder)
    }

    private func code(_ body: () throws(LifeboatError) -> Void) -> LifeboatError.Code? {
        do throws(LifeboatError) {
            try body()
            return nil
        } catch {
            return error.code
        }
    }

    @Test func `errors have their codes and name the path`() throws {
        let path = folder + "/a"
        #expect(
            code { () throws(LifeboatError) in _ = try File(path: path, access: .read) } == .missing
        )
        _ = try File(path: path, access: .createNew)
        #expect(
            code { () throws(LifeboatError) in _ = try File(path: path, access: .createNew) }
                == .exists)
        let reader = try File(path: path, access: .read)
        do throws(LifeboatError) {
            try reader.write(at: 0, UnsafeRawBufferPointer(start: nil, count: 0))
            try [UInt8]([1]).write(to: reader)
            Issue.record("a file opened to read was written")
        } catch {
            #expect(error.subject == path)
            #expect(error.cause == "Bad file descriptor")
        }
        let full = try File(path: "/dev/full", access: .readWrite)
        #expect(code { () throws(LifeboatError) in try [UInt8]([1]).write(to: full) } == .full)
        let directory = try File(path: folder, access: .read)
        #expect(
            code { () throws(LifeboatError) in
                _ = try directory.read(at: 0, into: Buffer(capacity: 9).storage)
            } == .refused)
    }

    @Test func `reads what was written, and less at the end`() throws {
        let file = try File(path: folder + "/a", access: .createNew)
        try [UInt8](1...9).write(to: file, at: 3)
        let buffer = Buffer(capacity: 20)
        #expect(try file.read(at: 0, into: buffer.storage) == 12)
        #expect(Array(buffer.storage.prefix(12)) == [0, 0, 0] + Array(1...9))
        #expect(try file.size() == 12)
        try file.truncate(to: 5)
        #expect(try file.read(at: 4, into: buffer.storage) == 1)
        #expect(try file.read(at: 5, into: buffer.storage) == 0)
        #expect(file.kind == .regular)
    }

    @Test func `a pipe is read until it is full or ends`() throws {
        var ends: [Int32] = [0, 0]
        #expect(pipe(&ends) == 0)
        let reader = File(descriptor: ends[0], path: "pipe", owned: true)
        let thread = Threads.start(name: "writer") { [writeEnd = ends[1]] in
            let writer = File(descriptor: writeEnd, path: "pipe", owned: true)
            for _ in 0..<40 { try? [UInt8](repeating: 7, count: 5000).append(to: writer) }
        }
        let buffer = Buffer(capacity: 150_000)
        #expect(reader.kind == .pipe)
        #expect(try reader.readNext(into: buffer.storage) == 150_000)
        #expect(try reader.readNext(into: buffer.storage) == 50_000)
        #expect(try reader.readNext(into: buffer.storage) == 0)
        thread.join()
    }

    @Test func `tells the data of a sparse file, within a limit`() throws {
        let file = try File(path: folder + "/sparse", access: .createNew)
        try file.truncate(to: 10 << 20)
        for offset in [1 << 20, 3 << 20, 9 << 20] {
            try [UInt8](repeating: 1, count: 4096).write(to: file, at: UInt64(offset))
        }
        try file.sync()
        let all = try file.dataExtents(from: 0, to: 10 << 20, limit: 100)
        #expect(all.map(\.offset) == [1 << 20, 3 << 20, 9 << 20])
        #expect(all.map(\.length) == [4096, 4096, 4096])
        let limited = try file.dataExtents(from: 0, to: 10 << 20, limit: 2)
        #expect(limited.map(\.offset) == [1 << 20, 3 << 20])
        #expect(limited.last?.end == 10 << 20)
        let part = try file.dataExtents(from: (1 << 20) + 100, to: (1 << 20) + 200, limit: 9)
        #expect(part == [Extent(offset: (1 << 20) + 100, length: 100)])
        #expect(try file.dataExtents(from: 9_999_999, to: 20 << 20, limit: 9).isEmpty)
        #expect(try file.punchHole(Extent(offset: 3 << 20, length: 4096)))
        #expect(try file.dataExtents(from: 0, to: 5 << 20, limit: 9).count == 1)
        #expect(try file.size() == 10 << 20)
    }

    @Test func `a read from the cache leaves the cache as it is`() throws {
        let file = try File(path: folder + "/cached", access: .createNew)
        let bytes = [UInt8](repeating: 5, count: 1 << 20)
        try bytes.write(to: file)
        try file.sync()
        let whole = Extent(offset: 0, length: 1 << 20)
        let buffer = Buffer(capacity: 1 << 20)
        #expect(file.supportsReadCached)
        #expect(file.readCached(at: 0, into: buffer.storage) == 1 << 20)
        #expect(Array(buffer.storage) == bytes)
        file.dropCache(whole)
        #expect(file.readCached(at: 0, into: buffer.storage) == nil)
        usleep(20_000)
        #expect(file.cachedPages(whole) == 0)
    }

    @Test func `a lock excludes others until it goes`() throws {
        let path = folder + "/lock"
        _ = try File(path: path, access: .createNew)
        var holder: File? = try File(path: path, access: .readWrite)
        let other = try File(path: path, access: .readWrite)
        #expect(try holder?.lock(exclusive: false, wait: false) == true)
        #expect(try other.lock(exclusive: false, wait: false))
        #expect(try other.lock(exclusive: true, wait: false) == false)
        holder = nil
        #expect(try other.lock(exclusive: true, wait: true))
    }

    @Test func `writes a file as a whole`() throws {
        let path = folder + "/whole"
        try Files.writeAtomically(path, [1, 2], mode: 0o644)
        try Files.writeAtomically(path, [3])
        #expect(try Files.readWhole(path, limit: 1) == [3])
        #expect(
            code { () throws(LifeboatError) in
                try Files.writeAtomically(path, [4], replace: false)
            } == .exists)
        #expect(
            code { () throws(LifeboatError) in _ = try Files.readWhole(path, limit: 0) } == .damaged
        )
        #expect(try Files.list(folder) == ["whole"])
        #expect(
            code { () throws(LifeboatError) in
                try Files.writeAtomically(folder + "/none/x", [])
            } == .missing)
        #expect(code { () throws(LifeboatError) in try Files.makeDirectories(path) } == .exists)
    }

    @Test func `names and their parts`() {
        #expect(Files.parent(of: "/a/b/") == "/a")
        #expect(Files.parent(of: "/a") == "/")
        #expect(Files.parent(of: "a") == ".")
        #expect(Files.parent(of: "/") == "/")
        #expect(Files.homeDirectory.hasPrefix("/"))
        #expect(!Files.hostName.isEmpty)
        #expect(Files.environment("LIFEBOAT_NO_SUCH") == nil)
        #expect(Files.text("/proc/self/status")?.contains("Pid:") == true)
        #expect(DeviceNumber.parse("8:1").map(DeviceNumber.text) == "8:1")
    }

    @Test func `a tree goes while somebody else removes what is in it`() throws {
        for round in 0..<20 {
            let tree = folder + "/\(round)"
            let names = (0..<200).map { "\(tree)/folder/\($0)" }
            try Files.makeDirectories(tree + "/folder")
            for name in names { _ = try File(path: name, access: .createNew) }
            let other = Threads.start(name: "other") {
                for name in names.reversed() { try? Files.remove(name) }
            }
            try Files.removeTree(tree)
            other.join()
            #expect(!Files.exists(tree))
        }
    }
}

extension [UInt8] {
    fileprivate func write(to file: File, at offset: UInt64 = 0) throws(LifeboatError) {
        let buffer = buffer()
        try file.write(at: offset, buffer.bytes)
    }

    fileprivate func append(to file: File) throws(LifeboatError) {
        let buffer = buffer()
        try file.append(buffer.bytes)
    }

    private func buffer() -> Buffer {
        let buffer = Buffer(capacity: count)
        buffer.storage.copyBytes(from: self)
        buffer.count = count
        return buffer
    }
}
