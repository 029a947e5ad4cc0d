import LifeboatCore
import LifeboatTesting
import Testing

@testable import LifeboatStore

@Suite struct RereadingTests {
    private let memory = MemoryStore()
    private let name: ObjectName = "a/b"
    private let content = [UInt8](repeating: 7, count: 5000)

    init() throws { try memory.put(name, bytes: content) }

    private func read(_ store: some ObjectStore) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 5000)
        let count = try bytes.withMutableBytes { raw throws(LifeboatError) in
            try store.read(name, at: 0, into: raw)
        }
        return Array(bytes[..<count])
    }

    private func check(_ bytes: [UInt8]) throws(LifeboatError) -> Int {
        guard bytes == content else { throw LifeboatError(.damaged, "wrong") }
        return bytes.count
    }

    @Test func `a block that came wrong does not stay`() throws {
        let store = ReadAheadStore(NoisyStore(memory) { _, number in number == 1 })
        #expect(try read(store) != content)
        // Kept, as long as nobody complains.
        #expect(try read(store) != content)
        store.forget(name)
        #expect(try read(store) == content)
    }

    @Test(arguments: [0, 1, 2]) func `what comes wrong is read once more`(wrong: Int) {
        let store = NoisyStore(memory) { _, number in number <= wrong }
        let code = code { () throws(LifeboatError) in
            #expect(try store.get(name, limit: 5000, opening: check) == 5000)
        }
        #expect(code == (wrong < 2 ? nil : .damaged))
        #expect(store.changeCount == wrong)
    }

    @Test func `what nothing vouches for is what two readings agree on`() throws {
        let store = NoisyStore(memory) { _, number in number == 2 }
        #expect(try store.getAgreed(name, limit: 5000) == content)
        let hopeless = NoisyStore(memory) { _, _ in true }
        let code = code { () throws(LifeboatError) in
            _ = try hopeless.getAgreed(name, limit: 5000)
        }
        #expect(code == .unavailable)
    }

    @Test(arguments: [LifeboatError.Code.missing, .unavailable, .damaged, .unsupported])
    func `only what the way may have done is tried again`(code wanted: LifeboatError.Code) {
        let far = NoisyStore(memory) { _, _ in false }
        for (store, again) in [(memory as any ObjectStore, false), (far, true)] {
            var count = 0
            let found = code { () throws(LifeboatError) in
                try store.rereading(name) { () throws(LifeboatError) in
                    count += 1
                    throw LifeboatError(wanted, "")
                }
            }
            #expect(found == wanted)
            #expect(count == (again && [.damaged, .unsupported].contains(wanted) ? 2 : 1))
        }
    }
}
