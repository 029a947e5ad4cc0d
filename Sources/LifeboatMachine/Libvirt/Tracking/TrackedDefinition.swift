internal import LifeboatCore

/// Changes one disk in a domain's definition, between raw and a metadata overlay over raw.
///
/// Pure: all else of the definition stays.
struct TrackedDefinition {
    /// Where a disk's bytes are.
    struct Place: Equatable {
        var path: String
        var isBlock: Bool

        fileprivate var kind: String { isBlock ? "block" : "file" }
        fileprivate var attributes: [String: String] { [isBlock ? "dev" : "file": path] }
    }

    /// The disk's target, such as `vdb`.
    let disk: String
    /// Of a version of libvirt that knows data stores, and so lets QEMU open them.
    let namesData: Bool

    /// Lets the disk be `metadata`, whose data are at `data`.
    func tracked(_ xml: String, metadata: String, data: Place) throws(LifeboatError) -> String {
        try changed(xml) { element in
            Self.replace(&element, .init(path: metadata, isBlock: false), format: "qcow2")
            guard namesData, var source = element["source"] else { return }
            source["dataStore"] = XMLElementValue(
                "dataStore", ["type": data.kind],
                [
                    XMLElementValue("format", ["type": "raw"]),
                    XMLElementValue("source", data.attributes),
                ])
            element["source"] = source
        }
    }

    /// Lets the disk be the raw one at `data` again.
    func untracked(_ xml: String, data: Place) throws(LifeboatError) -> String {
        try changed(xml) { Self.replace(&$0, data, format: "raw") }
    }

    private func changed(
        _ xml: String, _ change: (inout XMLElementValue) -> Void
    ) throws(LifeboatError) -> String {
        guard let tree = XMLTree.parse(xml) else {
            throw LifeboatError(.damaged, "the domain's definition is no XML")
        }
        var domain = XMLElementValue(tree)
        guard var devices = domain["devices"],
            let index = devices.children.firstIndex(where: {
                $0.name == "disk" && $0["target"]?.attributes["dev"] == disk
            })
        else { throw LifeboatError(.missing, "the definition has no disk \(disk)") }
        change(&devices.children[index])
        domain["devices"] = devices
        return domain.serialized()
    }

    private static func replace(_ disk: inout XMLElementValue, _ place: Place, format: String) {
        disk.attributes["type"] = place.kind
        var driver = disk["driver"] ?? XMLElementValue("driver", ["name": "qemu"])
        driver.attributes["type"] = format
        disk["driver"] = driver
        disk["backingStore"] = nil
        // Security labels of the disk stay; what says where the old one was goes.
        var source = disk["source"] ?? XMLElementValue("source")
        for name in ["file", "dev", "index"] { source.attributes[name] = nil }
        source.attributes.merge(place.attributes) { _, new in new }
        source["dataStore"] = nil
        disk["source"] = source
    }
}
