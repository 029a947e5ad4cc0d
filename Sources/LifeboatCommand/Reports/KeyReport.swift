import Lifeboat
import LifeboatCore

extension Report {
    /// What `key list` says.
    init(_ access: AccessSummary) {
        json = [
            "members": .array(access.members.map(\.json)), "keys": .array(access.keys.map(\.json)),
        ]
        var members = TextTable([
            .left("member"), .left("role"), .left("state"), .left("joined"), .left("domain"),
            .left("label"),
        ])
        for member in access.members {
            members.rows.append([
                member.id.hex, member.role.rawValue, member.state, TimeText.short(member.joined),
                String(member.domain.hex.prefix(8)),
                member.label + (member.isCurrent ? " (this host)" : ""),
            ])
        }
        var keys = TextTable([
            .left("key"), .left("kind"), .left("created"), .left("member"), .left("label"),
        ])
        for key in access.keys {
            keys.rows.append([
                key.id.hex, key.kind, TimeText.short(key.created),
                key.member.map { String($0.hex.prefix(8)) } ?? "?",
                key.label + (key.isCurrent ? " (in use)" : ""),
            ])
        }
        lines = members.lines + [""] + keys.lines
    }

    /// What `key add` and `key remove` say: `what` is `added` or `removed`.
    init(key: KeySummary, _ what: String) {
        json = ["key": key.json]
        lines = ["\(key.kind) \(key.id.hex) \(what)"]
    }

    /// What `key enrol` says.
    init(_ result: EnrolmentResult) {
        json = [
            "member": result.member.json, "key": result.key.json,
            "new_domain": .bool(result.isNewDomain),
        ]
        lines = [
            "\(result.member.role.rawValue) \(result.member.id.hex) enrolled",
            "its \(result.key.kind) opens the repository; take it to the new host",
        ]
    }

    /// What `key revoke` says.
    init(revoked member: MemberSummary) {
        json = ["member": member.json]
        lines = [
            "\(member.role.rawValue) \(member.id.hex) revoked",
            "what it stored until now stays; what it knows is not taken back",
        ]
    }

    /// What `key rotate` says: what to do with the new key, and what it cannot do.
    init(_ result: RotationResult, page: String?) {
        json = [
            "repository": JSONValue(result.repository), "location": .string(result.location),
            "fingerprint": .string(result.fingerprint),
            "recovery_key_file": .string(result.recoveryKeyFile), "recovery_page": JSONValue(page),
        ]
        status = page == nil ? .partlyDone : .success
        lines = [
            "repository   \(result.repository.hex)",
            "fingerprint  \(result.fingerprint)",
            "",
            "The new recovery key is in \(result.recoveryKeyFile)",
        ]
        if let page { lines.append("and, as a page to print, in \(page)") }
        lines += [
            "",
            "Only the new key reads what is stored here, old and new. The old key is of no use here",
            "any more, but it is not harmless: whoever has it and a copy of this repository from",
            "before now can read what was stored until now. That cannot be taken back.",
            "",
            "Do this now:",
        ]
        lines += steps(result.recoveryKeyFile, page: page)
    }
}

extension KeySummary {
    fileprivate var json: JSONValue {
        [
            "id": JSONValue(id), "kind": .string(kind), "label": .string(label),
            "member": JSONValue(member?.hex), "created": .time(created),
            "created_ms": .integer(created), "current": .bool(isCurrent),
        ]
    }
}

extension MemberSummary {
    var json: JSONValue {
        [
            "id": JSONValue(id), "role": .string(role.rawValue), "label": .string(label),
            "domain": JSONValue(domain), "joined": .time(joined), "joined_ms": .integer(joined),
            "state": .string(state), "current": .bool(isCurrent),
        ]
    }
}
