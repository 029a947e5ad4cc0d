/// All that is needed to make a machine anew: its description in neutral words, and the
/// platform's own files.
///
/// Source: formats/machine.md.
public struct MachineDefinition: Sendable, Equatable {
    public var description: MachineDescription
    /// Files of the platform, by their names in the definition, such as `libvirt/domain.xml`.
    public var files: [String: [UInt8]]

    public init(description: MachineDescription, files: [String: [UInt8]] = [:]) {
        self.description = description
        self.files = files
    }
}
