public import LifeboatCore

/// Parts that can be joined: of one set, all different, and enough.
///
/// That they fit together only shows when they are joined.
public struct RecoveryKeyPartSet: Sendable {
    /// At least as many as are needed.
    public let parts: [RecoveryKeyPart]
    /// What all parts say of their set.
    public let repository: Identifier
    public let set: String
    public let needed: Int
    public let total: Int

    /// Takes parts, each with the name of what it was read from.
    ///
    /// - Throws: `.refused` for parts of different sets, the same part twice, or too few.
    public init(
        _ parts: [(name: String, part: RecoveryKeyPart)]
    ) throws(LifeboatError) {
        guard let first = parts.first else {
            throw LifeboatError(.refused, "no part of a recovery key is given")
        }
        var names: [Int: String] = [:]
        for (name, part) in parts {
            guard Self.areOfOneSet(part, first.part) else {
                throw LifeboatError(
                    .refused,
                    "the part is of another set (\(Self.describe(part))) than \(first.name) "
                        + "(\(Self.describe(first.part)))",
                    subject: name, advice: "give parts of one set only")
            }
            if let other = names.updateValue(name, forKey: part.number) {
                throw LifeboatError(
                    .refused, "part \(part.number) is given twice, also as \(other)",
                    subject: name)
            }
        }
        let missing = first.part.needed - parts.count
        guard missing <= 0 else {
            throw LifeboatError(
                .refused,
                "\(missing) more of the \(first.part.total) parts "
                    + (missing == 1 ? "is" : "are") + " needed: \(parts.count) given, "
                    + "\(first.part.needed) make the recovery key",
                advice: "look for other parts of set \(first.part.setText)")
        }
        self.parts = parts.map(\.part)
        repository = first.part.repository
        set = first.part.setText
        needed = first.part.needed
        total = first.part.total
    }

    private static func areOfOneSet(_ left: RecoveryKeyPart, _ right: RecoveryKeyPart) -> Bool {
        left.set == right.set && left.repository == right.repository
            && left.needed == right.needed && left.total == right.total
    }

    private static func describe(_ part: RecoveryKeyPart) -> String {
        "\(part.setText), \(part.needed) of \(part.total), repository \(part.repository.hex.prefix(8))"
    }
}
