import Lifeboat
import LifeboatCore

extension Report {
    /// What `diff` says: per volume, how much changed and where.
    init(differences: [VolumeDifference]) {
        json = ["volumes": .array(differences.map(\.json))]
        lines = []
        for volume in differences {
            lines.append("volume \(volume.name): \(volume.summary)")
            guard !volume.extents.isEmpty else { continue }
            var table = TextTable([.right("offset"), .right("length")])
            table.rows = volume.extents.map { [String($0.offset), String($0.length)] }
            lines += table.lines.map { "  " + $0 }
            if volume.isCutOff {
                let listed = min(UInt64(volume.extents.count), volume.extentCount)
                let rest = volume.extentCount - listed
                lines.append("  and \(rest) more: see --extents")
            }
        }
        if differences.isEmpty { lines = ["no volumes"] }
    }
}

extension VolumeDifference {
    fileprivate var summary: String {
        switch (oldSize, newSize) {
        case (nil, nil): return "in neither point"
        case (nil, let size?): return "added, \(ByteText.describe(size))"
        case (let size?, nil): return "gone, \(ByteText.describe(size))"
        case (let old?, let new?):
            var text = "\(ByteText.describe(bytesChanged)) changed in \(extentCount) "
            text += extentCount == 1 ? "extent" : "extents"
            if old != new {
                text += ", size \(ByteText.describe(old)) to \(ByteText.describe(new))"
            }
            return text
        }
    }

    fileprivate var json: JSONValue {
        [
            "name": .string(name), "old_size": JSONValue(oldSize), "new_size": JSONValue(newSize),
            "bytes_changed": .integer(bytesChanged), "extent_count": .integer(extentCount),
            "extents": .array(
                extents.map {
                    let extent: JSONValue = [
                        "offset": .integer($0.offset), "length": .integer($0.length),
                    ]
                    return extent
                }),
            "cut_off": .bool(isCutOff),
        ]
    }
}
