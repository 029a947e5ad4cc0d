internal import LifeboatCore
public import LifeboatStore

/// What every object store has to do, to be run on an empty one.
public struct StoreConformance {
    private let store: any ObjectStore
    private var failures: [String] = []

    /// Runs all checks and returns one sentence for each that fails.
    public static func failures(of store: any ObjectStore) -> [String] {
        var suite = StoreConformance(store: store)
        suite.puts()
        suite.refusesTakenNames()
        suite.tellsMissingObjects()
        suite.readsRanges()
        suite.limitsWholeObjects()
        suite.lists()
        suite.deletes()
        return suite.failures
    }

    private init(store: any ObjectStore) { self.store = store }

    private mutating func puts() {
        var generator = SeededGenerator(seed: 1)
        let large = generator.bytes(3_000_001)
        for (name, bytes) in [("puts/large", large), ("puts/empty", []), ("top", [1])] {
            attempt("put \(name)") { store throws(LifeboatError) in
                try store.put(ObjectName(name), bytes: bytes)
            }
            expect("\(name) comes back", bytes) { store throws(LifeboatError) in
                try store.get(ObjectName(name), limit: 4_000_000)
            }
            expect("\(name) has its size", UInt64(bytes.count)) { store throws(LifeboatError) in
                try store.size(ObjectName(name))
            }
        }
        let pieces: [[UInt8]] = [[1, 2], [], [3]]
        attempt("put pieces") { store throws(LifeboatError) in
            let memory = pieces.map { piece in
                let copy = UnsafeMutableRawBufferPointer.allocate(
                    byteCount: max(piece.count, 1), alignment: 1)
                copy.copyBytes(from: piece)
                return (copy, piece.count)
            }
            defer { for (copy, _) in memory { copy.deallocate() } }
            try store.put(
                "puts/pieces", memory.map { UnsafeRawBufferPointer(rebasing: $0.0[..<$0.1]) })
        }
        expect("pieces are joined", [1, 2, 3]) { store throws(LifeboatError) in
            try store.get("puts/pieces", limit: 3)
        }
    }

    private mutating func refusesTakenNames() {
        attempt("put taken/name") { store throws(LifeboatError) in
            try store.put("taken/name", bytes: [1])
        }
        refuse("a second put", .exists) { store throws(LifeboatError) in
            try store.put("taken/name", bytes: [2, 2])
        }
        expect("the first put stays", [1]) { store throws(LifeboatError) in
            try store.get("taken/name", limit: 9)
        }
    }

    private mutating func tellsMissingObjects() {
        refuse("get of nothing", .missing) { store throws(LifeboatError) in
            _ = try store.get("no/such", limit: 9)
        }
        refuse("read of nothing", .missing) { store throws(LifeboatError) in
            _ = try bytes(store, "no/such", 0, 1)
        }
        expect("the size of nothing", nil) { store throws(LifeboatError) in
            try store.size("no/such")
        }
    }

    private mutating func readsRanges() {
        attempt("put ranges") { store throws(LifeboatError) in
            try store.put("ranges", bytes: Array(0..<100))
        }
        for (offset, count, found) in [
            (0, 10, 10), (90, 10, 10), (95, 10, 5), (100, 1, 0), (1000, 1, 0),
        ] {
            let expected = Array(0..<100).dropFirst(offset).prefix(found).map { UInt8($0) }
            expect("bytes \(offset) and \(count) on", expected) { store throws(LifeboatError) in
                try bytes(store, "ranges", UInt64(offset), count)
            }
        }
    }

    private mutating func limitsWholeObjects() {
        attempt("put limited") { store throws(LifeboatError) in
            try store.put("limited", bytes: [1, 2, 3])
        }
        refuse("get of more than the limit", .damaged) { store throws(LifeboatError) in
            _ = try store.get("limited", limit: 2)
        }
    }

    private mutating func lists() {
        let names = ["l/a/1", "l/a/2", "l/ab", "l/b/1", "l-other/1"]
        for name in names {
            attempt("put \(name)") { store throws(LifeboatError) in
                try store.put(ObjectName(name), bytes: Array(name.utf8))
            }
        }
        for (prefix, expected) in [
            ("l/", ["l/a/1", "l/a/2", "l/ab", "l/b/1"]), ("l/a", ["l/a/1", "l/a/2", "l/ab"]),
            ("l/a/", ["l/a/1", "l/a/2"]), ("l/c", []), ("l/a/1/", []), ("l-", ["l-other/1"]),
            ("../", []), ("/", []), ("tmp/", []),
        ] {
            var told: [String] = []
            attempt("list \(prefix)") { store throws(LifeboatError) in
                try store.list(prefix) { name, size throws(LifeboatError) in
                    told.append(name.path)
                    if size != UInt64(name.path.utf8.count) { told.append("wrong size") }
                }
            }
            if told.sorted() != expected {
                failures.append("list \(prefix) tells \(told), not \(expected)")
            }
            let ordered = Dictionary(grouping: told) { ObjectName($0).folder }
                .allSatisfy { $0.value == $0.value.sorted() }
            if !ordered { failures.append("list \(prefix) is out of order: \(told)") }
        }
        refuse("a listing stopped by its receiver", .cancelled) { store throws(LifeboatError) in
            try store.list("l/") { _, _ throws(LifeboatError) in
                throw LifeboatError(.cancelled, "enough")
            }
        }
    }

    private mutating func deletes() {
        for _ in 0..<2 {
            attempt("delete") { store throws(LifeboatError) in try store.delete("ranges") }
            expect("a deleted object is gone", nil) { store throws(LifeboatError) in
                try store.size("ranges")
            }
        }
        attempt("a put after a delete") { store throws(LifeboatError) in
            try store.put("ranges", bytes: [7])
        }
    }
}

extension StoreConformance {
    private typealias Body<Result> = (any ObjectStore) throws(LifeboatError) -> Result

    private mutating func attempt(_ what: String, _ body: Body<Void>) {
        do throws(LifeboatError) { try body(store) } catch {
            failures.append("\(what) fails: \(error)")
        }
    }

    private mutating func expect<T: Equatable>(_ what: String, _ value: T, _ body: Body<T>) {
        do throws(LifeboatError) {
            let found = try body(store)
            if found != value { failures.append("not so: \(what)") }
        } catch {
            failures.append("\(what): \(error)")
        }
    }

    private mutating func refuse(_ what: String, _ code: LifeboatError.Code, _ body: Body<Void>) {
        do throws(LifeboatError) {
            try body(store)
            failures.append("\(what) succeeds")
        } catch {
            if error.code != code { failures.append("\(what) is \(error.code), not \(code)") }
        }
    }
}

private func bytes(
    _ store: any ObjectStore, _ name: ObjectName, _ offset: UInt64, _ count: Int
) throws(LifeboatError) -> [UInt8] {
    let target = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 1)
    defer { target.deallocate() }
    return [UInt8](target.prefix(try store.read(name, at: offset, into: target)))
}
