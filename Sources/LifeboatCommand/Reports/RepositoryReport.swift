import Lifeboat
import LifeboatCore

extension Report {
    /// What `repo info` says.
    init(_ result: RepositoryInformation) {
        json = result.json
        var checkpoint = "none"
        if let number = result.checkpoint {
            checkpoint = String(number)
            if let time = result.checkpointTime { checkpoint += ", " + TimeText.short(time) }
        }
        lines = Self.facts([
            ("repository", result.repository.hex), ("location", result.location),
        ])
        lines += Self.facts(result.store.facts)
        lines += Self.facts([
            ("created", TimeText.short(result.created)),
            ("format", "version \(result.formatVersion)"),
            ("chunk size", ByteText.describe(UInt64(result.chunkSize))),
            ("fingerprint", result.fingerprint),
            ("configuration", String(result.configurationNumber)),
            ("roster", String(result.rosterNumber)),
            (
                "minimum age",
                result.minimumAge == 0
                    ? "none" : TimeText.duration(Double(result.minimumAge) / 1000)
            ),
            (
                "immutable",
                result.lockDuration == 0
                    ? "no" : "for " + TimeText.duration(Double(result.lockDuration) / 1000)
            ),
            ("checkpoint", checkpoint), ("logs", String(result.logs)),
            ("points", "\(result.points), \(result.heldPoints) on hold"),
            ("packs", String(result.packs)), ("index runs", String(result.indexRuns)),
            ("condemned", "\(result.condemnedObjects) objects"),
            ("doomed", "\(result.doomedObjects) objects"),
            ("this key may", result.abilities.joined(separator: ", ")),
        ])
        if let replica = result.replica {
            var text =
                replica.view == 0
                ? "never brought up to date" : "as of \(TimeText.short(replica.time))"
            if replica.absentPoints > 0 { text += ", \(replica.absentPoints) points left out" }
            lines += Self.facts([("replica", text)])
        }
        for domain in result.domains { lines += Self.facts([("domain", domain.hex)]) }
        for member in result.members {
            lines += Self.facts([
                (
                    member.role.rawValue,
                    "\(member.id.hex) \(member.state)  \(member.label)"
                        + (member.isCurrent ? " (this host)" : "")
                )
            ])
        }
        for session in result.sessions {
            let who = session.label ?? session.member.short
            lines += Self.facts([
                (
                    "session",
                    "\(session.session.short) of \(who) since "
                        + TimeText.short(session.since)
                )
            ])
        }
    }

    /// What `repo head` says: the code alone stands on the first line.
    init(_ result: HeadCodeResult) {
        json = [
            "code": .string(result.code), "entries": .integer(result.entries),
            "heads": .array(result.heads.map(\.json)),
            "expected": result.notes.map { ["agrees": .bool(true), "notes": JSONValue($0)] }
                ?? .null,
        ]
        lines = [result.code]
        guard let notes = result.notes else { return }
        lines.append("this is a later state, or the same, of what the expected code tells")
        lines += notes.map { "note: \($0)" }
    }

    private static func facts(_ facts: [(String, String)]) -> [String] {
        facts.map { name, value in
            name + String(repeating: " ", count: max(1, 15 - name.count)) + SafeText.line(value)
        }
    }
}

extension HeadCodeResult.Head {
    fileprivate var json: JSONValue {
        [
            "incarnation": JSONValue(incarnation), "role": isKeeper ? "keeper" : "writer",
            "label": JSONValue(label), "sequence": .integer(sequence),
            "digest": JSONValue(digest),
        ]
    }
}

extension RepositoryInformation {
    fileprivate var json: JSONValue {
        [
            "repository": JSONValue(repository), "location": .string(location),
            "store": store.json, "created": .time(created), "created_ms": .integer(created),
            "format_version": JSONValue(formatVersion), "chunk_size": JSONValue(chunkSize),
            "fingerprint": .string(fingerprint),
            "configuration": .integer(configurationNumber), "roster": .integer(rosterNumber),
            "minimum_age_ms": .integer(minimumAge), "lock_ms": .integer(lockDuration),
            "domains": .array(domains.map { JSONValue($0) }),
            "members": .array(members.map(\.json)), "logs": JSONValue(logs),
            "points": JSONValue(points), "held_points": JSONValue(heldPoints),
            "packs": JSONValue(packs), "index_runs": JSONValue(indexRuns),
            "condemned_objects": JSONValue(condemnedObjects),
            "doomed_objects": JSONValue(doomedObjects), "checkpoint": JSONValue(checkpoint),
            "checkpoint_time": .time(checkpointTime),
            "checkpoint_time_ms": JSONValue(checkpointTime),
            "replica": replica.map { replica in
                [
                    "view": .integer(replica.view), "time": .time(replica.time),
                    "time_ms": .integer(replica.time),
                    "absent_points": JSONValue(replica.absentPoints),
                ]
            } ?? .null,
            "sessions": .array(sessions.map(\.json)), "abilities": JSONValue(abilities),
        ]
    }
}
