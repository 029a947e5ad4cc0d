internal import LifeboatCore

/// One page of a listing of versions.
struct VersionPage: Equatable {
    /// A version of an object, or the mark that it was deleted.
    struct Entry: Equatable {
        var key: String
        var id: String
        var isMarker: Bool
        var size: UInt64 = 0
        var tag = ""
    }

    /// By key; of one key the newest first.
    var entries: [Entry] = []
    /// What asks for the next page; `nil` on the last one.
    var next: Place?

    struct Place: Hashable {
        var key: String
        var id: String
    }

    /// `nil` for what is no listing of versions.
    init?(_ body: [UInt8]) {
        guard let root = AnswerElement.parse(body), root.name == "ListVersionsResult" else {
            return nil
        }
        let isEncoded = root["EncodingType"]?.text == "url"
        for element in root.children where ["Version", "DeleteMarker"].contains(element.name) {
            guard let text = element["Key"]?.text, let id = element["VersionId"]?.text,
                let key = isEncoded ? ListingPage.decode(text) : text
            else { return nil }
            var entry = Entry(key: key, id: id, isMarker: element.name == "DeleteMarker")
            if !entry.isMarker {
                guard let size = element["Size"].flatMap({ UInt64($0.text) }) else { return nil }
                entry.size = size
                entry.tag = element["ETag"]?.text ?? ""
            }
            entries.append(entry)
        }
        guard root["IsTruncated"]?.text == "true" else { return }
        // What the answer names as the next place is encoded by some services and not by others.
        guard let last = entries.last else { return nil }
        next = Place(key: last.key, id: last.id)
    }
}

/// Everything that a bucket keeps under one key.
struct VersionGroup: Sendable {
    /// The version that was put first: the only one that counts.
    struct First: Hashable, Sendable {
        var id: String
        var size: UInt64
        var tag: String
    }

    var key: String
    /// `nil` when only marks of deletions are left.
    var first: First?
    /// Of versions and marks, the newest first.
    var ids: [String] = []
    var isDeleted = false
    /// Versions with other bytes than the first.
    var others = 0

    /// `entries` of one key, the newest first.
    init(_ entries: [VersionPage.Entry]) {
        key = entries.first?.key ?? ""
        ids = entries.map(\.id)
        isDeleted = entries.first?.isMarker == true
        guard let oldest = entries.last(where: { !$0.isMarker }) else { return }
        first = First(id: oldest.id, size: oldest.size, tag: oldest.tag)
        // A put that was done again after a lost reply is there twice, and that is nobody's fault.
        others = entries.count {
            !$0.isMarker && ($0.tag != oldest.tag || $0.size != oldest.size)
        }
    }

    var isMeddled: Bool { first != nil && (isDeleted || others > 0) }
}
