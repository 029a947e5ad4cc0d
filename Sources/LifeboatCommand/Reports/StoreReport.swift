import Lifeboat
import LifeboatCore

extension StoreInformation {
    /// What `repo info` says of the store, for people.
    var facts: [(String, String)] {
        guard let abilities else {
            return [("store", kind + ", not asked yet what it can do: add --probe")]
        }
        var facts = [("store", kind), ("store can", abilities.text)]
        if let probeTime { facts.append(("store asked", TimeText.short(probeTime))) }
        return facts
    }

    /// The same for programs.
    var json: JSONValue {
        [
            "kind": .string(kind), "probed": .time(probeTime), "probed_ms": JSONValue(probeTime),
            "capabilities": abilities?.json ?? .null,
        ]
    }
}

extension StoreInformation.Abilities {
    fileprivate var text: String {
        var words = [conditionalPut ? "put once" : "NOT put once", "check \(payloadCheck)"]
        words.append(rangeReads ? "read parts" : "not read parts")
        words.append(orderedListing ? "list in order" : "not list in order")
        words.append(deletes ? "delete" : "NOT delete")
        if versioning { words.append("keep versions") }
        if objectLock { words.append("lock objects") }
        return words.joined(separator: ", ")
    }

    fileprivate var json: JSONValue {
        [
            "conditional_put": .bool(conditionalPut), "payload_check": .string(payloadCheck),
            "range_reads": .bool(rangeReads), "ordered_listing": .bool(orderedListing),
            "deletes": .bool(deletes), "versioning": .bool(versioning),
            "object_lock": .bool(objectLock),
            "maximum_object_bytes": JSONValue(maximumObjectBytes),
        ]
    }
}
