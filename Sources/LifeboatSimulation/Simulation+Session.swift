import LifeboatCore
import LifeboatFormat
import LifeboatProtocol

extension Simulation {
    func beginSession(_ host: Int, _ process: Int) {
        hosts[host].lock = process
        names += 1
        let id = Identifier(0x5E55, names)
        var alive: Set<Identifier> = []
        for other in hosts[host].processes.indices where other != process {
            if let session = hosts[host].processes[other].session?.state {
                alive.insert(session.id)
            }
        }
        hosts[host].processes[process].work = SessionWork()
        hosts[host].processes[process].session = Running(
            SessionProtocol(
                id, writing: writing(host), alive: alive, time: clock(host), rules: rules))
        note(host, process, "begins session \(String(names, radix: 16))", 4)
    }

    func stepSession(_ host: Int, _ process: Int) {
        guard let session = hosts[host].processes[process].session else { return }
        guard let action = session.with({ $0.action }) else {
            return work(host, process)
        }
        session.state.take(perform(action, host, process))
        readOn(action, { session.state.action }, { session.state.take($0) })
        switch session.with({ $0.stage }) {
        case .working: hosts[host].lock = nil
        case .over: end(host, process)
        default: break
        }
    }

    /// One step of what the session is there for.
    private func work(_ host: Int, _ process: Int) {
        guard let session = hosts[host].processes[process].session else { return }
        guard hosts[host].processes[process].work.isPlanned else { return plan(host, process) }
        let id = session.with({ $0.id })
        if let next = hosts[host].processes[process].work.toStore.first {
            let content = SimulatedStore.Content(chunks: next.chunks)
            guard put(ObjectReference(.pack, next.pack), content) else { return }
            hosts[host].processes[process].work.toStore.removeFirst()
            hosts[host].processes[process].work.stored.append(next.pack)
            hosts[host].journal[id, default: []].append(next.pack)
            note(host, process, "stored pack \(next.pack.brief) \(bits(next.chunks))", 5)
            if random.chance(faults.dying) {
                note(host, process, "crash", 1)
                hosts[host].crash(process)
            }
        } else if let run = hosts[host].processes[process].work.run {
            guard put(ObjectReference(.indexRun, run), .init()) else { return }
            hosts[host].processes[process].work.run = nil
            hosts[host].processes[process].work.stored.append(run)
        } else if !hosts[host].processes[process].work.isBodyStored {
            storeBody(host, process)
        } else if hosts[host].lock == nil {
            commit(host, process)
        }
    }

    private func storeBody(_ host: Int, _ process: Int) {
        let work = hosts[host].processes[process].work
        guard let body = work.body else { return }
        let content = SimulatedStore.Content(
            chunks: Self.mask(work.positions), machine: work.machine, positions: work.positions)
        hosts[host].processes[process].work.isBodyStored =
            put(ObjectReference(.pointBody, body), content)
    }

    private func commit(_ host: Int, _ process: Int) {
        guard let session = hosts[host].processes[process].session else { return }
        hosts[host].lock = process
        let work = hosts[host].processes[process].work
        let (time, memory) = (clock(host), hosts[host].memory)
        session.state.commit(time: time, memory: memory) { entry in
            entry.body = work.body ?? .zero
            for name in work.stored {
                if store.objects.slot(ObjectReference(.indexRun, name)) != nil {
                    entry.runs.append(name)
                } else {
                    entry.packs.append(name)
                }
            }
        }
        if case .over = session.with({ $0.stage }) {
            end(host, process)
        }
    }

    private func end(_ host: Int, _ process: Int) {
        guard let session = hosts[host].processes[process].session?.state,
            case .over(let verdict) = session.stage
        else { return }
        note(host, process, "session \(String(session.id.word1, radix: 16)): \(verdict)", 6)
        hosts[host].processes[process].session = nil
        if hosts[host].lock == process { hosts[host].lock = nil }
        switch verdict {
        case .counted(let head):
            countedSessions += 1
            told.insert(head.digest)
            hosts[host].journal[session.id] = nil
            isDirty = true
        case .void: voidedSessions += 1
        case .refused(let refusal): fail("a host was refused: \(refusal)")
        }
    }

    // MARK: reading the volume

    static func mask(_ positions: [UInt8]) -> UInt64 {
        positions.reduce(0) { $0 | 1 << UInt64($1) }
    }

    func bits(_ chunks: UInt64) -> String {
        "["
            + (0..<64).filter { chunks >> UInt64($0) & 1 == 1 }.map(String.init)
            .joined(separator: " ") + "]"
    }

    /// Decides what has to be stored, from what the ledger allows to rely on.
    private func plan(_ host: Int, _ process: Int) {
        guard let session = hosts[host].processes[process].session else { return }
        let change = [50, 300, 800][random.below(3)]
        for position in hosts[host].volume.indices where random.chance(change) {
            hosts[host].volume[position] = UInt8(random.below(chunkCount))
        }
        let positions = hosts[host].volume
        let machine = hosts[host].machine
        let ledger = session.with({ $0.ledger })
        var work = SessionWork()
        work.isPlanned = true
        work.positions = positions
        work.machine = machine
        missingParent = nil
        let parent = parent(of: machine, ledger)
        if let missing = missingParent { return giveUp(host, process, missing) }
        var adopted: [Digest] = []
        let adoptable =
            rules.contains(.adoptOpenSessionsOnly)
            ? session.with({ $0.adoptable })
            : Set(hosts[host].journal.keys)
        for (dead, packs) in hosts[host].journal.sorted(by: { $0.key < $1.key })
        where adoptable.contains(dead) {
            adopted += packs.filter { pack in
                session.with({ $0.canAdopt(pack) }) && ledger.packs[pack] == nil
            }
        }
        work.stored = adopted
        var available: UInt64 = 0
        for pack in adopted { available |= contents(of: pack) }
        for position in positions.indices
        where parent.map({ $0[position] == positions[position] }) ?? false {
            available |= 1 << UInt64(positions[position])
        }
        let known = trustedChunks(ledger)
        var missing: UInt64 = 0
        for chunk in positions {
            let bit = 1 << UInt64(chunk) as UInt64
            guard available & bit == 0 else { continue }
            // The index may not know it.
            if known & bit != 0, !random.chance(scene.duplicates) {
                available |= bit
            } else {
                missing |= bit
            }
        }
        let second = random.chance(300) ? missing & random.next() : 0
        for chunks in [missing & ~second, second] where chunks != 0 {
            work.toStore.append((newName(), chunks))
        }
        if !work.toStore.isEmpty, random.chance(500) { work.run = newName() }
        work.body = newName()
        note(
            host, process,
            "plans \(bits(Self.mask(positions))), stores \(bits(missing)), adopts \(adopted.map(\.brief)), parent \(String(describing: parent))",
            7)
        hosts[host].processes[process].work = work
        isTelling = true
    }

    func contents(of pack: Digest) -> UInt64 {
        store.objects.content(ObjectReference(.pack, pack))?.chunks ?? 0
    }

    /// All chunks that lie in packs which a session may rely on.
    private func trustedChunks(_ ledger: Ledger) -> UInt64 {
        var known: UInt64 = 0
        if rules.contains(.trustOnlyNamedPacks) {
            for pack in ledger.packs.keys where ledger.trusts(pack) { known |= contents(of: pack) }
        } else {
            // Whatever an index tells.
            for slot in store.objects.slots where slot.name.kind == .pack {
                if !ledger.doomed.contains(slot.name), slot.isPresent {
                    known |= slot.content.chunks
                }
            }
        }
        return known
    }

    /// A session whose parent is gone must have been ended by a twin, or fenced.
    private func giveUp(_ host: Int, _ process: Int, _ parent: Digest) {
        guard let session = hosts[host].processes[process].session?.state else { return }
        let log = truth()?.logs[session.writing.incarnation]
        let isRevoked = roster.member(hosts[host].member)?.isSuspended == true
        if !isRevoked, let log, !log.isEnded, log.sessions[session.id] != nil {
            fail("the body of a session's parent \(parent.brief) is gone")
        }
        note(host, process, "misses its parent \(parent.brief)", 18)
        hosts[host].crash(process)
    }

    /// What the newest point of the same machine holds at each position.
    private func parent(of machine: Int, _ ledger: Ledger) -> [UInt8]? {
        for point in ledger.points.reversed() where !point.isInDoubt {
            let reference = ObjectReference(.pointBody, point.body)
            guard store.objects.content(reference)?.machine == machine else { continue }
            guard let body = store.objects[reference] else {
                missingParent = point.id
                return nil
            }
            return body.positions
        }
        return nil
    }
}
