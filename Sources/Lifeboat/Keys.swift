import LifeboatArchive
public import LifeboatCodec
public import LifeboatCore
import LifeboatFormat

extension Operations {
    /// The passwords and key files that open the repository.
    public func keys() throws(LifeboatError) -> [KeySummary] {
        let repository = try openRepository()
        var result: [KeySummary] = []
        for (slot, label, _) in try repository.listKeys() {
            result.append(try summary(slot, label, repository))
        }
        return result
    }

    public func addPassword(
        _ password: SecretBytes, label: String
    ) throws(LifeboatError) -> KeySummary {
        let repository = try openRepository()
        let slot = try repository.addKey(.password(password), label: label)
        return try summary(slot, label, repository)
    }

    /// Makes a new key file, readable by its owner only; never over an existing file.
    public func addKeyFile(_ path: String, label: String) throws(LifeboatError) -> KeySummary {
        let repository = try openRepository()
        _ = try repository.requireMember()
        let slot = try repository.addKey(.keyFile(try KeyFile.create(path)), label: label)
        return try summary(slot, label, repository)
    }

    /// Removes the key with this id or unique prefix; refuses the last one.
    public func removeKey(_ id: String) throws(LifeboatError) -> KeySummary {
        let repository = try openRepository()
        let fitting = try repository.listKeys().filter { $0.slot.id.hex.hasPrefix(id.lowercased()) }
        guard !id.isEmpty, let (slot, label, _) = fitting.first else {
            throw LifeboatError(
                .missing, "there is no such key", subject: id, advice: "see: lifeboat key list")
        }
        guard fitting.count == 1 else {
            throw LifeboatError(.refused, "\(fitting.count) keys begin like this", subject: id)
        }
        let result = try summary(slot, label, repository)
        try repository.removeKey(slot.id)
        return result
    }

    private func summary(
        _ slot: KeySlot, _ label: String, _ repository: Repository
    ) throws(LifeboatError) -> KeySummary {
        var isCurrent = false
        switch (access.secret, slot.wrapping) {
        case (.password(let password), .password):
            isCurrent = try repository.opens(slot, .password(password))
        case (.keyFile(let path), .keyFile):
            isCurrent = try repository.opens(slot, .keyFile(try KeyFile.read(path)))
        default: break
        }
        let kind =
            switch slot.wrapping {
            case .password: "password"
            case .keyFile: "key file"
            }
        return KeySummary(
            id: slot.id, kind: kind, label: label, created: slot.created, isCurrent: isCurrent)
    }
}
