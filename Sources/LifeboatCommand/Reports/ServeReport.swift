import Lifeboat
import LifeboatCore

extension Report {
    /// What `serve` says when it has begun.
    init(_ server: PointServer) {
        let disks = server.volumes.filter { !$0.isDefinition }
        json = [
            "point": JSONValue(server.point), "machine": .string(server.machine),
            "socket": JSONValue(server.socketPath),
            "volumes": .array(
                disks.map { volume in
                    [
                        "name": .string(volume.name), "size": .integer(volume.size),
                        "uri": .string(server.uri(volume: volume.name)),
                    ]
                }),
        ]
        var table = TextTable([.left("volume"), .right("size"), .left("address")])
        for volume in disks {
            table.rows.append([
                volume.name, ByteText.describe(volume.size), server.uri(volume: volume.name),
            ])
        }
        lines = ["serving point \(server.point.short) of \(server.machine)"] + table.lines
    }
}
