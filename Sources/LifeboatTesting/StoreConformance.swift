internal import LifeboatCore
public import LifeboatStore
internal import LifeboatSystem

/// What every object store has to do, to be run on an empty one.
public struct StoreConformance {
    private let store: any ObjectStore
    private let largeByteCount: Int
    private var failures: [String] = []

    private typealias Check = (name: String, run: @Sendable (inout StoreConformance) -> Void)

    private static let checks: [Check] = [
        ("objects come back", { $0.puts() }),
        ("a taken name is refused", { $0.refusesTakenNames() }),
        ("what is missing is told", { $0.tellsMissingObjects() }),
        ("parts can be read", { $0.readsRanges() }),
        ("a limit holds", { $0.limitsWholeObjects() }),
        ("objects are listed", { $0.lists() }),
        ("long listings are whole", { $0.listsMany() }),
        ("objects can be deleted", { $0.deletes() }),
        ("many objects can be deleted", { $0.deletesMany() }),
        ("of racing writers one wins", { $0.races() }),
    ]

    /// Runs all checks and returns one sentence for each that fails.
    public static func failures(of store: any ObjectStore) -> [String] {
        var failures: [String] = []
        run(on: store) { failures += $1 }
        return failures
    }

    /// Runs all checks, and tells of each its name and one sentence for each failure.
    ///
    /// `largeByteCount`: the size of the largest object.
    public static func run(
        on store: any ObjectStore, largeByteCount: Int = 3_000_001,
        told: (_ name: String, _ failures: [String]) -> Void
    ) {
        for check in checks {
            var suite = StoreConformance(store: store, largeByteCount: largeByteCount)
            check.run(&suite)
            told(check.name, suite.failures)
        }
    }

    private init(store: any ObjectStore, largeByteCount: Int) {
        self.store = store
        self.largeByteCount = largeByteCount
    }

    private mutating func puts() {
        var generator = SeededGenerator(seed: 1)
        let large = generator.bytes(largeByteCount)
        for (name, bytes) in [("puts/large", large), ("puts/empty", []), ("top", [1])] {
            attempt("put \(name)") { store throws(LifeboatError) in
                try store.put(ObjectName(name), bytes: bytes)
            }
            expect("\(name) comes back", bytes) { store throws(LifeboatError) in
                try store.get(ObjectName(name), limit: max(bytes.count, 1))
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
        refuse("a second put with a digest", .exists) { store throws(LifeboatError) in
            // Of the byte 2.
            let digest = Digest(
                hex: "dbc1b4c900ffe48d575b5da5c638040125f65db0fe3e24494b76ea986457d986")
            try store.put("taken/name", bytes: [2], contentDigest: digest ?? .zero)
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
        for (name, count, found) in [
            ("ranges", 10, 10), ("ranges", 100, 100), ("ranges", 1000, 100),
        ] as [(ObjectName, Int, Int)] {
            let expected = (0..<found).map { UInt8($0) }
            expect("the first \(count) of 100 bytes", expected) { store throws(LifeboatError) in
                try beginning(store, name, count)?.bytes
            }
            expect("the size told with \(count) bytes", 100) { store throws(LifeboatError) in
                try beginning(store, name, count)?.size
            }
        }
        expect("the size told with both ends", 100) { store throws(LifeboatError) in
            try store.sizeAndEnds("ranges")
        }
        expect("the beginning of nothing", nil) { store throws(LifeboatError) in
            try beginning(store, "no/such", 10)?.bytes
        }
        expect("both ends of nothing", nil) { store throws(LifeboatError) in
            try store.sizeAndEnds("no/such")
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

    private static let manyNames = (0..<25).map { ObjectName("many/\($0 % 3)/\($0)") }

    /// More than one page of a store that was opened with small ones.
    private mutating func listsMany() {
        for name in Self.manyNames {
            attempt("put \(name)") { store throws(LifeboatError) in
                try store.put(name, bytes: Array(name.path.utf8))
            }
        }
        var told: [ObjectName] = []
        attempt("list many/") { store throws(LifeboatError) in
            try store.list("many/") { name, _ throws(LifeboatError) in told.append(name) }
        }
        if told.sorted() != Self.manyNames.sorted() {
            failures.append("a long listing tells \(told)")
        }
    }

    private mutating func deletesMany() {
        let kept: ObjectName = "many/kept"
        attempt("put many/kept") { store throws(LifeboatError) in try store.put(kept, bytes: [1]) }
        for _ in 0..<2 {
            attempt("delete many") { store throws(LifeboatError) in
                try store.delete(Self.manyNames)
            }
        }
        var left: [ObjectName] = []
        attempt("list many/") { store throws(LifeboatError) in
            try store.list("many/") { name, _ throws(LifeboatError) in left.append(name) }
        }
        if left != [kept] { failures.append("of many deleted objects \(left) are left") }
    }

    private mutating func races() {
        // By now a store that must be asked was asked.
        guard store.capabilities.conditionalPut else { return }
        for round in 0..<5 {
            let name = ObjectName("race/\(round)")
            let store = store
            let outcomes = Guarded<[Int: LifeboatError.Code?]>([:])
            Threads.run(count: 4, name: "race") { index in
                var code: LifeboatError.Code?
                do throws(LifeboatError) {
                    try store.put(name, bytes: Array(repeating: UInt8(index), count: 10_000))
                } catch {
                    code = error.code
                }
                outcomes.withLock { _ = $0.updateValue(code, forKey: index) }
            }
            let found = outcomes.withLock { $0 }
            let winners = found.filter { $0.value == nil }.map(\.key)
            if winners.count != 1 || found.values.count(where: { $0 == .exists }) != 3 {
                failures.append("racing puts end with \(found.sorted { $0.key < $1.key })")
            }
            expect("the winner's bytes stay", UInt8(winners.first ?? 99)) {
                store throws(LifeboatError) in
                try store.get(name, limit: 10_000).first ?? 98
            }
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

private func beginning(
    _ store: any ObjectStore, _ name: ObjectName, _ count: Int
) throws(LifeboatError) -> (bytes: [UInt8], size: UInt64)? {
    let target = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 1)
    defer { target.deallocate() }
    return try store.readBeginning(name, into: target).map {
        ([UInt8](target.prefix($0.count)), $0.size)
    }
}
