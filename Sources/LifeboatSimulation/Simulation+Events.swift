import LifeboatCore
import LifeboatFormat
import LifeboatProtocol

extension Simulation {
    /// What befalls hosts and the roster between two turns.
    func happen() {
        if random.chance(faults.setBack) { snapshot() }
        if random.chance(faults.setBack) { setBack() }
        if random.chance(faults.clone), hosts.count < 8 { clone() }
        if random.chance(faults.clockJump) {
            let host = random.below(hosts.count)
            hosts[host].clockOffset += random.below(2_000_000) - 1_000_000
        }
        if random.chance(faults.rosterChange) { changeRoster() }
        for (member, due) in suspended where due <= now { revoke(member) }
    }

    // MARK: hosts

    private func snapshot() {
        let host = random.below(hosts.count)
        snapshots.append((host, hosts[host].copy))
        if snapshots.count > 4 { snapshots.remove(at: random.below(4)) }
    }

    private func setBack() {
        guard !snapshots.isEmpty else { return }
        let (host, state) = snapshots[random.below(snapshots.count)]
        guard !hosts[host].isGone else { return }
        let remaining = hosts[host].remaining
        hosts[host] = state.copy
        hosts[host].remaining = remaining
        note(host, 0, "is set back", 20)
        // Of a machine's snapshot, what ran goes on; of a disk's, nothing runs.
        if random.chance(500) { crashAll(host) }
    }

    private func clone() { clone(random.below(hosts.count)) }

    /// Makes the host run twice from now on, with all that runs on it.
    func clone(_ host: Int, isAlive: Bool? = nil) {
        guard !hosts[host].isGone else { return }
        hosts.append(hosts[host].copy)
        let twin = hosts.count - 1
        hosts[twin].isTwin = true
        hosts[twin].remaining = min(3, hosts[twin].remaining)
        note(host, 0, "is cloned as host \(twin)", 21)
        if isAlive.map({ !$0 }) ?? random.chance(500) { crashAll(twin) }
    }

    func crashAll(_ host: Int) {
        for process in hosts[host].processes.indices { hosts[host].crash(process) }
    }

    // MARK: the roster

    func enrol(_ role: Roster.Role) {
        memberCount += 1
        let number = memberCount
        let id = Identifier(role == .keeper ? number : 0x100 | number, number << 32)
        roster.number += 1
        roster.members.append(
            Roster.Member(id: id, role: role, publicKey: [], domain: Self.domain))
        var host = Host(
            member: id, role: role,
            processes: (0...(role == .writer ? random.below(scene.processes) : 0)).map { _ in
                Process()
            })
        host.remaining =
            (role == .writer ? scene.sessions : scene.operations) + random.below(2)
        if role == .writer {
            host.machine = machineCount
            machineCount += 1
            for _ in 0..<Self.positionCount { host.volume.append(UInt8(random.below(chunkCount))) }
        }
        hosts.append(host)
        note(hosts.count - 1, 0, "is enrolled as \(role)", 22)
    }

    private func changeRoster() {
        guard random.chance(500) else {
            if memberCount < 7 { enrol(random.chance(600) ? .writer : .keeper) }
            return
        }
        let members = roster.members.filter { !$0.isSuspended && $0.revoked == nil }
        let member = members[random.below(members.count)]
        // Somebody has to be left.
        guard members.filter({ $0.role == member.role }).count > 1 else { return }
        suspend(member.id)
    }

    func suspend(_ id: Identifier) {
        guard let index = roster.members.firstIndex(where: { $0.id == id }) else { return }
        roster.number += 1
        roster.members[index].isSuspended = true
        suspended.append((id, now + random.span(100)))
        note(0, 0, "\(describe(id)) is suspended", 23)
    }

    /// Reads where the member's logs end, and writes it down for ever.
    func revoke(_ id: Identifier) {
        suspended.removeAll { $0.member == id }
        guard let index = roster.members.firstIndex(where: { $0.id == id }) else { return }
        var heads: [Identifier: LogHead] = [:]
        for slot in store.entries.slots where slot.isPresent && slot.content.entry.member == id {
            let head = slot.content.head
            if head.sequence > heads[head.incarnation]?.sequence ?? 0 {
                heads[head.incarnation] = head
            }
        }
        // What a checkpoint covers may have been deleted.
        for log in truth()?.logs.values.filter({ $0.member == id }) ?? []
        where log.head.sequence > heads[log.head.incarnation]?.sequence ?? 0 {
            heads[log.head.incarnation] = log.head
        }
        roster.number += 1
        roster.members[index].revoked = heads.values.sorted { $0.incarnation < $1.incarnation }
        for host in hosts.indices where hosts[host].member == id {
            hosts[host].remaining = 0
            // It may go on for a while with what it does.
            if random.chance(500) { hosts[host].isGone = true }
        }
        note(0, 0, "\(describe(id)) is revoked", 24)
        isDirty = true
    }
}
