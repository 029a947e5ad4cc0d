/// The claims of one guardian, one for each of its machines.
struct GuardianClaims {
    private let directory: String
    private var claims: [String: GuardianClaim] = [:]

    init(directory: String) { self.directory = directory }

    mutating func claim(_ guest: GuardianOrders.Guest) -> GuardianClaim {
        claim(guest.name, place: Self.place(guest))
    }

    mutating func claim(_ remains: SnapshotRemains) -> GuardianClaim {
        claim(remains.machine, place: Self.place(remains.address) ?? "")
    }

    func end() { for claim in claims.values { claim.end() } }

    private mutating func claim(_ machine: String, place: String) -> GuardianClaim {
        let path = GuardianClaim.path(machine: machine, place: place, in: directory)
        if let claim = claims[path] { return claim }
        let claim = GuardianClaim(machine: machine, place: place, in: directory)
        claims[path] = claim
        return claim
    }

    private static func place(_ guest: GuardianOrders.Guest) -> String {
        place(guest.machine)
            ?? place(MachineAddress(domain: guest.address.domain, monitor: guest.address.socket))
            ?? ""
    }

    private static func place(_ address: MachineAddress?) -> String? {
        address?.domain.map { "\($0.uri)/\($0.uuid)" } ?? address?.monitor
    }
}
