import LifeboatCore
import LifeboatFormat
import LifeboatProtocol

extension Simulation {
    /// Does what a hand on a log asks for.
    func perform(_ action: LogWriting.Action, _ host: Int, _ process: Int) -> LogWriting.Reply {
        switch action {
        case .read(let request): return .read(answer(request))
        case .remember(let memory):
            hosts[host].memory = memory
            isTelling = true
            return .remembered
        case .put(let entry):
            let result = put(entry, host, process)
            isTelling = true
            note(host, process, "put \(describe(entry)): \(result)", 3)
            return .put(result)
        }
    }

    /// Answers further questions within one step, after a first one.
    func readOn(
        _ first: LogWriting.Action, _ next: () -> LogWriting.Action?,
        _ take: (LogWriting.Reply) -> Void
    ) {
        guard case .read = first, faults.questions > 1 else { return }
        for _ in 0..<random.span(faults.questions) {
            guard case .read(let request)? = next() else { return }
            take(.read(answer(request)))
        }
    }

    private func answer(_ request: LogReading.Request) -> LogReading.Reply {
        if !rules.contains(.askForNames), case .entry(let incarnation, let sequence) = request,
            random.chance(faults.staleListing / 10)
        {
            let name = SimulatedStore.EntryName(incarnation: incarnation, sequence: sequence)
            let time = now - random.span(200)
            if let slot = store.entries.slot(name), !slot.isListed(asOf: time) { return .missing }
        }
        return store.answer(request)
    }

    private func put(_ entry: LogEntry, _ host: Int, _ process: Int) -> LogWriting.PutResult {
        let id = Self.identify(entry)
        trace = Randomness.mixed(trace ^ id.word0)
        if random.chance(faults.latePut) {
            later(.putEntry(entry, id))
            return .unknown
        }
        if random.chance(faults.lostReply) {
            if random.chance(500) { store(entry, id) }
            return .unknown
        }
        if random.chance(faults.doubledPut) { later(.putEntry(entry, id)) }
        return store(entry, id) ? .stored : .taken
    }

    @discardableResult
    func store(_ entry: LogEntry, _ id: Digest) -> Bool {
        let name = SimulatedStore.EntryName(
            incarnation: entry.incarnation, sequence: entry.sequence)
        guard store.entries.put(name, VerifiedEntry(id: id, entry: entry), at: now) else {
            return false
        }
        for point in entry.forgotten { forgotten.insert(point) }
        isDirty = true
        return true
    }

    // MARK: objects

    /// Puts an object; returns whether the writer learns that it is there.
    func put(_ reference: ObjectReference, _ content: SimulatedStore.Content) -> Bool {
        if random.chance(faults.latePut) {
            later(.put(reference, content))
            return false
        }
        if random.chance(faults.lostReply) {
            if random.chance(500) { _ = store.objects.put(reference, content, at: now) }
            return false
        }
        if random.chance(faults.doubledPut) { later(.put(reference, content)) }
        _ = store.objects.put(reference, content, at: now)
        return true
    }

    /// Deletes an object; returns whether it is known to be gone.
    func delete(_ reference: ObjectReference) -> Bool {
        isDirty = true
        if random.chance(faults.lateDelete) {
            later(.delete(reference))
            guard random.chance(300) else { return false }
        }
        store.objects.delete(reference, at: now)
        return true
    }

    // MARK: late requests

    func later(_ content: LateRequest.Content) {
        let due = now + random.span(random.chance(200) ? 3000 : 150)
        late.append(LateRequest(due: due, content: content))
        nextLate = min(nextLate, due)
    }

    /// Lets what is due arrive.
    func arrive(all: Bool = false) {
        let arriving = late.filter { all || $0.due <= now }
        late.removeAll { all || $0.due <= now }
        nextLate = late.map(\.due).min() ?? .max
        for request in arriving {
            switch request.content {
            case .putEntry(let entry, let id):
                if store(entry, id), isTraced {
                    events.append("\(now) late put of \(describe(entry))")
                }
            case .put(let reference, let content):
                if store.objects.put(reference, content, at: now), isTraced {
                    events.append("\(now) late put of \(describe(reference))")
                }
            case .delete(let reference):
                store.objects.delete(reference, at: now)
                if isTraced { events.append("\(now) late deletion of \(describe(reference))") }
            case .deleteEntry(let name): store.entries.delete(name, at: now)
            case .deleteCheckpoint(let name): store.checkpoints.delete(name, at: now)
            }
            isDirty = true
        }
    }

    // MARK: for people

    func describe(_ reference: ObjectReference) -> String {
        "\(reference.kind) \(reference.digest.brief)"
    }

    func describe(_ log: Identifier) -> String {
        "\(log.word0 >> 8 == 0 ? "keeper" : "writer") \(log.word0 & 0xFF)/\(log.word1 & 0xFFFF_FFFF)"
    }

    func describe(_ entry: LogEntry) -> String {
        var parts = ["\(describe(entry.incarnation)) #\(entry.sequence)"]
        func list(_ name: String, _ items: [String]) {
            if !items.isEmpty { parts.append("\(name) \(items.joined(separator: " "))") }
        }
        list("heads", entry.heads.map { "\(describe($0.incarnation))#\($0.sequence)" })
        list("opened", entry.opened.map { String($0.word1, radix: 16) })
        list("closed", entry.closed.map { String($0.word1, radix: 16) })
        if !entry.body.isZero { parts.append("body \(entry.body.brief)") }
        list("packs", entry.packs.map(\.brief))
        list("runs", entry.runs.map(\.brief))
        list("replaced", entry.replacedRuns.map(\.brief))
        list("condemned", entry.condemned.map(describe))
        list("released", entry.released.map(describe))
        list("doomed", entry.doomed.map(describe))
        list("forgotten", entry.forgotten.map(\.brief))
        list("fenced", entry.fenced.map(describe))
        list("ends", entry.ends.map { "\(describe($0.incarnation))#\($0.sequence)" })
        if let proposal = entry.proposal { parts.append("proposal \(proposal.ordinal)") }
        if let checkpoint = entry.checkpoint { parts.append("checkpoint \(checkpoint.ordinal)") }
        return parts.joined(separator: ", ")
    }
}
