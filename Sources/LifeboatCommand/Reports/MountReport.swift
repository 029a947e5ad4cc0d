import Lifeboat
import LifeboatCore

extension Report {
    /// What `mount` says when the file is there.
    init(_ mount: VolumeMount) {
        let size = mount.server.volumes.first { $0.name == mount.volume }?.size ?? 0
        json = [
            "point": JSONValue(mount.server.point), "volume": .string(mount.volume),
            "size": .integer(size), "file": .string(mount.file),
        ]
        lines = ["\(mount.file): \(ByteText.describe(size)) of point \(mount.server.point.short)"]
    }
}
