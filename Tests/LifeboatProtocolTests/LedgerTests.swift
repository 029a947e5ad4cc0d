import LifeboatCore
import LifeboatFormat
import LifeboatTesting
import Testing

@testable import LifeboatProtocol

@Suite struct LedgerTests {
    private var book = LogBook()
    private let one: Identifier
    private let two: Identifier
    private let keeper: Identifier
    private let second: Identifier

    init() {
        one = book.enrol(.writer)
        two = book.enrol(.writer)
        keeper = book.enrol(.keeper)
        second = book.enrol(.keeper)
    }

    @Test mutating func `forgotten points are left out, and may be asked for`() {
        let points = [book.addPoint(one), book.addPoint(two), book.addPoint(one)]
        let mark = book.add(keeper) { $0.forgotten = [points[1].id] }
        book.add(second) { $0.forgotten = [points[1].id] }
        let ledger = book.ledger
        #expect(Set(ledger.points.map(\.id)) == [points[0].id, points[2].id])
        #expect(
            ledger.allPoints[points[1].id]?.forgotten == .init(keeper, mark.entry.sequence))
    }

    @Test mutating func `a point is held until it is held no more`() {
        let point = book.addPoint(one)
        book.add(keeper) { $0.held = [point.id] }
        #expect(book.ledger.points.map(\.isHeld) == [true])
        book.add(keeper) { $0.unheld = [point.id] }
        #expect(book.ledger.points.map(\.isHeld) == [false])
    }

    @Test mutating func `the later of two edits of tags wins`() {
        let point = book.addPoint(one)
        #expect(book.ledger.points[0].tags.isEmpty)
        book.add(one, 20) { $0.tagEdits = [.init(point: point.id, sealed: [1])] }
        book.add(keeper, 10) { $0.tagEdits = [.init(point: point.id, sealed: [2])] }
        #expect(book.ledger.points[0].tags == [1])
        book.add(keeper, 30) { $0.tagEdits = [.init(point: point.id, sealed: [3])] }
        #expect(book.ledger.points[0].tags == [3])
    }

    @Test mutating func `a writer edits the tags of its own points only`() {
        let mine = book.addPoint(one)
        book.add(two, 50) { $0.tagEdits = [.init(point: mine.id, sealed: [1])] }
        #expect(book.ledger.points[0].tags.isEmpty)
        // Another log of the same member is as good as the log that added it.
        let next = Incarnation.id(of: book.member(one), number: 2)
        book.add(next, 50) { $0.tagEdits = [.init(point: mine.id, sealed: [2])] }
        #expect(book.ledger.points[0].tags == [2])
    }

    @Test mutating func `a writer cannot replace the run of another`() {
        let runs = [Digest(1, 0, 0, 1), Digest(1, 0, 0, 2), Digest(1, 0, 0, 3)]
        book.add(one) { $0.runs = [runs[0], runs[1]] }
        book.add(two) {
            $0.runs = [runs[2]]
            $0.replacedRuns = [runs[0]]
        }
        #expect(Set(book.ledger.runs.keys) == Set(runs))
        book.add(one) { $0.replacedRuns = [runs[1]] }
        #expect(Set(book.ledger.runs.keys) == [runs[0], runs[2]])
        #expect(book.ledger.replacedRuns == [runs[1]])
        book.add(keeper) { $0.replacedRuns = [runs[0], runs[2]] }
        #expect(book.ledger.runs.isEmpty)
    }

    @Test mutating func `packs are trusted when they are named and condemned by nobody`() {
        let point = book.addPoint(one)
        let pack = point.entry.packs[0]
        let reference = ObjectReference(.pack, pack)
        #expect(book.ledger.trusts(pack))
        #expect(!book.ledger.trusts(Digest(5, 5, 5, 5)))
        book.add(keeper) { $0.condemned = [reference] }
        book.add(second) { $0.condemned = [reference] }
        #expect(!book.ledger.trusts(pack))
        book.add(keeper) { $0.released = [reference] }
        #expect(!book.ledger.trusts(pack))
        #expect(book.ledger.condemned[reference]?.keys.sorted() == [second])
        book.add(second) { $0.released = [reference] }
        #expect(book.ledger.trusts(pack))
        book.add(keeper) { $0.doomed = [reference] }
        #expect(!book.ledger.trusts(pack))
        #expect(book.ledger.packs.isEmpty)
        #expect(book.ledger.doomed == [reference])
    }

    @Test mutating func `a session is open from its entry to the one that closes it`() {
        let (first, other) = (Identifier(5, 5), Identifier(6, 6))
        book.add(one) { $0.opened = [first] }
        book.add(one) { $0.opened = [other] }
        let mark = book.add(keeper) { $0.condemned = [.init(.pack, .zero)] }
        #expect(book.ledger.sessions(ignorantOf: .init(keeper, 1)).map(\.id) == [first, other])
        book.add(one) { $0.closed = [first] }
        #expect(book.ledger.sessions(ignorantOf: .init(keeper, 1)).map(\.id) == [other])
        // One that opened with knowledge of it needs not be waited for.
        let third = Identifier(7, 7)
        book.add(two) {
            $0.heads = [mark.head]
            $0.opened = [third]
        }
        #expect(book.ledger.sessions(ignorantOf: .init(keeper, 1)).map(\.id) == [other])
        #expect(book.ledger.sessions(ignorantOf: .init(keeper, 2)).map(\.id) == [other, third])
    }

    // MARK: times

    @Test mutating func `keepers' looks bound the time of a point`() {
        book.look(keeper, 100)
        let honest = book.addPoint(one, 150)
        let early = book.addPoint(one, 3)
        let late = book.addPoint(two, 900)
        book.look(keeper, 200)
        book.look(second, 300)
        let ledger = book.ledger
        for point in ledger.points {
            #expect(point.after == 100)
            #expect(point.seen == 200)
        }
        func time(_ verified: VerifiedEntry) -> UInt64? {
            ledger.allPoints[verified.id].map { ledger.time(of: $0, now: 1000) }
        }
        #expect(time(honest) == 150)
        #expect(time(early) == 100)
        #expect(time(late) == 200)
    }

    @Test mutating func `a point that no keeper has seen is younger than the last look`() {
        book.look(keeper, 100)
        let point = book.addPoint(one, 5)
        let future = book.addPoint(one, 5000)
        let ledger = book.ledger
        #expect(ledger.observed == 100)
        #expect(ledger.allPoints[point.id]?.seen == 0)
        #expect(ledger.allPoints[point.id].map { ledger.time(of: $0, now: 700) } == 100)
        #expect(ledger.allPoints[future.id].map { ledger.time(of: $0, now: 700) } == 700)
        // A clock that stands before keepers' looks moves nothing back.
        #expect(ledger.allPoints[future.id].map { ledger.time(of: $0, now: 7) } == 100)
    }

    @Test mutating func `without keepers a point's time is its writer's, but not of the future`() {
        let point = book.addPoint(one, 50)
        let ledger = book.ledger
        #expect(ledger.allPoints[point.id].map { ledger.time(of: $0, now: 70) } == 50)
        #expect(ledger.allPoints[point.id].map { ledger.time(of: $0, now: 40) } == 40)
    }

    // MARK: ends of logs

    @Test mutating func `entries of a revoked member behind its heads do not exist`() {
        let kept = book.addPoint(one)
        let head = book.head(one)
        let lost = book.addPoint(one)
        let next = Incarnation.id(of: book.member(one), number: 2)
        _ = book.addPoint(next)
        book.add(one) { $0.replacedRuns = [.zero] }
        let other = book.addPoint(two)
        #expect(book.ledger.points.count == 4)
        book.revoke(one, at: [head])
        let ledger = book.ledger
        #expect(Set(ledger.points.map(\.id)) == [kept.id, other.id])
        #expect(ledger.packs[lost.entry.packs[0]] == nil)
        #expect(ledger.logs[one]?.isEnded == true)
        #expect(ledger.logs[one]?.head == head)
        #expect(ledger.logs[next] == nil)
        #expect(!ledger.isInDoubt)
    }

    @Test mutating func `what a revoked keeper said behind its heads was never said`() {
        let points = [book.addPoint(one), book.addPoint(one)]
        book.add(keeper) { $0.forgotten = [points[0].id] }
        let head = book.head(keeper)
        book.add(keeper) { $0.forgotten = [points[1].id] }
        #expect(book.ledger.points.isEmpty)
        book.revoke(keeper, at: [head])
        #expect(book.ledger.points.map(\.id) == [points[1].id])
    }

    @Test mutating func `a suspended member's log is in doubt`() {
        _ = book.addPoint(one)
        book.members[0].isSuspended = true
        #expect(book.ledger.points.count == 1)
        #expect(book.ledger.isInDoubt)
        book.revoke(one, at: [book.head(one)])
        #expect(!book.ledger.isInDoubt)
    }

    @Test mutating func `a fence is in doubt until it is complete`() {
        let kept = book.addPoint(one)
        let end = book.head(one)
        book.add(keeper) { $0.fenced = [one] }
        #expect(book.ledger.isInDoubt)
        #expect(book.ledger.logs[one]?.fencedBy == [keeper])
        #expect(book.ledger.logs[one]?.isEnded == false)
        book.add(keeper) { $0.ends = [end] }
        #expect(!book.ledger.isInDoubt)
        #expect(book.ledger.logs[one]?.isEnded == true)
        // Whatever comes later does not exist.
        _ = book.addPoint(one)
        let other = book.addPoint(two)
        #expect(Set(book.ledger.points.map(\.id)) == [kept.id, other.id])
        #expect(book.ledger.logs[one]?.head == end)
    }

    @Test mutating func `nothing is built on what a fence may still cut off`() {
        let early = book.addPoint(one)
        let end = book.head(one)
        let late = book.addPoint(one)
        let other = book.addPoint(two)
        let packs = [early, late, other].map { $0.entry.packs[0] }
        #expect(book.ledger.doubtfulPacks.isEmpty)
        #expect(book.ledger.points.allSatisfy { !$0.isInDoubt })
        book.add(keeper) { $0.fenced = [one] }
        // Where the log ends is not known yet: the points are listed, but nobody relies on them.
        var ledger = book.ledger
        #expect(Set(ledger.points.map(\.id)) == [early.id, late.id, other.id])
        #expect(Set(ledger.points.filter(\.isInDoubt).map(\.id)) == [early.id, late.id])
        #expect(ledger.doubtfulPacks == [packs[0], packs[1]])
        #expect(packs.map { ledger.trusts($0) } == [false, false, true])
        #expect(Set(ledger.packs.keys) == Set(packs))
        book.add(keeper) { $0.ends = [end] }
        ledger = book.ledger
        #expect(ledger.points.allSatisfy { !$0.isInDoubt })
        #expect(ledger.doubtfulPacks.isEmpty)
        #expect(packs.map { ledger.trusts($0) } == [true, false, true])
    }

    @Test mutating func `nothing is built on what a suspended member said`() {
        let point = book.addPoint(one)
        let other = book.addPoint(two)
        book.members[0].isSuspended = true
        #expect(book.ledger.points.filter(\.isInDoubt).map(\.id) == [point.id])
        #expect(book.ledger.doubtfulPacks == Set(point.entry.packs))
        #expect(book.ledger.trusts(other.entry.packs[0]))
        book.revoke(one, at: [book.head(one)])
        #expect(book.ledger.points.allSatisfy { !$0.isInDoubt })
        #expect(book.ledger.trusts(point.entry.packs[0]))
    }

    @Test mutating func `of two fences the lesser end counts`() {
        let kept = book.addPoint(one)
        let early = book.head(one)
        _ = book.addPoint(one)
        let late = book.head(one)
        book.add(keeper) { $0.fenced = [one] }
        book.add(second) { $0.fenced = [one] }
        book.add(second) { $0.ends = [late] }
        #expect(book.ledger.isInDoubt)
        #expect(book.ledger.points.count == 2)
        book.add(keeper) { $0.ends = [early] }
        #expect(!book.ledger.isInDoubt)
        #expect(book.ledger.points.map(\.id) == [kept.id])
        #expect(book.ledger.logs[one]?.head == early)
    }

    @Test mutating func `a revoked keeper's fence keeps nobody waiting`() {
        _ = book.addPoint(one)
        let end = book.head(one)
        book.add(keeper) { $0.fenced = [one] }
        book.add(second) { $0.fenced = [one] }
        book.add(second) { $0.ends = [end] }
        #expect(book.ledger.isInDoubt)
        book.revoke(keeper, at: [book.head(keeper)])
        #expect(!book.ledger.isInDoubt)
        #expect(book.ledger.logs[one]?.isEnded == true)
    }

    @Test mutating func `sessions of a fenced log need not be waited for`() {
        book.add(one) { $0.opened = [Identifier(5, 5)] }
        let end = book.head(one)
        let mark = book.add(keeper) { $0.fenced = [one] }
        #expect(book.ledger.sessions(ignorantOf: .init(keeper, mark.entry.sequence)).count == 1)
        book.add(keeper) { $0.ends = [end] }
        #expect(book.ledger.sessions(ignorantOf: .init(keeper, mark.entry.sequence)).isEmpty)
    }

    // MARK: checkpoints

    /// Everything that a ledger says, but for what shows on what it was built.
    private func expect(
        _ left: Ledger, _ right: Ledger, _ note: Comment,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(left.logs == right.logs, note, sourceLocation: sourceLocation)
        #expect(left.points == right.points, note, sourceLocation: sourceLocation)
        #expect(left.roots() == right.roots(), note, sourceLocation: sourceLocation)
        #expect(left.packs == right.packs, note, sourceLocation: sourceLocation)
        #expect(left.runs == right.runs, note, sourceLocation: sourceLocation)
        #expect(left.condemned == right.condemned, note, sourceLocation: sourceLocation)
        #expect(left.doomed == right.doomed, note, sourceLocation: sourceLocation)
        #expect(left.sparse == right.sparse, note, sourceLocation: sourceLocation)
        #expect(left.observed == right.observed, note, sourceLocation: sourceLocation)
    }

    @Test(arguments: TestSeeds.all)
    mutating func `a checkpoint anywhere says the same as all entries`(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var time: UInt64 = 100
        var ids: [Digest] = []
        var runs: [Digest: Identifier] = [:]
        var sessions: [Identifier: [Identifier]] = [:]
        var taken: Ledger?
        for step in 0..<120 {
            time += random.next() % 20
            let writer = random.next() % 2 == 0 ? one : two
            let chief = random.next() % 2 == 0 ? keeper : second
            let pick = ids.isEmpty ? Digest.zero : ids[Int(random.next() % UInt64(ids.count))]
            let packs = book.entries.values.joined().flatMap(\.entry.packs)
            let pack = packs.first ?? .zero
            switch random.next() % 9 {
            case 0, 1: ids.append(book.addPoint(writer, time).id)
            case 2:
                let id = Identifier(random.next(), 0)
                let heads = [keeper, second].map { book.head($0) }.filter { $0.sequence > 0 }
                book.add(writer, time) {
                    $0.heads = heads
                    $0.opened = [id]
                }
                sessions[writer, default: []].append(id)
            case 3:
                let closed = sessions[writer]?.popLast()
                let run = Digest(random.next(), 0, 0, 0)
                let old = runs.filter { $0.value == writer }.keys.sorted().first
                book.add(writer, time) {
                    $0.closed = closed.map { [$0] } ?? []
                    $0.runs = [run]
                    $0.replacedRuns = old.map { [$0] } ?? []
                }
                runs[run] = writer
                if let old { runs[old] = nil }
            case 4: book.look(chief, time)
            case 5: book.add(chief, time) { $0.forgotten = [pick] }
            case 6:
                book.add(chief, time) {
                    $0.held = [pick]
                    $0.tagEdits = [.init(point: pick, sealed: [UInt8(step)])]
                    $0.sparse = [pack]
                }
            case 7: book.add(chief, time) { $0.condemned = [.init(.pack, pack)] }
            default: book.add(chief, time) { $0.released = [.init(.pack, pack)] }
            }
            if step == 60 { taken = book.ledger }
        }
        let checkpoint = try #require(taken).checkpoint(
            repository: book.repository, member: book.member(keeper),
            incarnation: book.member(keeper), deleted: [])
        let again = try Checkpoint(payload: checkpoint.payload, subject: "x")
        #expect(again == checkpoint)
        let name = LogEntry.CheckpointName(ordinal: checkpoint.ordinal, digest: .zero)
        // With covered entries at hand and without them it is the same.
        let suffix = book.entries.mapValues { list in
            list.filter { verified in
                let covered = checkpoint.logs.first {
                    $0.head.incarnation == verified.entry.incarnation
                }
                return verified.entry.sequence > covered?.head.sequence ?? 0
            }
        }
        let built = Ledger((name, again), entries: suffix, roster: book.roster)
        expect(
            built, Ledger((name, again), entries: book.entries, roster: book.roster), "covered")
        expect(built, book.ledger, "seed \(seed)")
    }
}
