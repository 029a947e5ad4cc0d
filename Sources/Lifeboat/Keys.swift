import LifeboatArchive
public import LifeboatCodec
public import LifeboatCore
import LifeboatFormat

extension Operations {
    /// The members of the repository, and the passwords and key files that open it.
    public func keys() throws(LifeboatError) -> AccessSummary {
        let repository = try openRepository()
        var keys: [KeySummary] = []
        for (slot, label, member) in try repository.listKeys() {
            keys.append(try summary(slot, label, member, repository))
        }
        return AccessSummary(
            members: repository.roster.members.map { summary($0, repository) }, keys: keys)
    }

    public func addPassword(
        _ password: SecretBytes, label: String
    ) throws(LifeboatError) -> KeySummary {
        let repository = try openRepository()
        let slot = try repository.addKey(.password(password), label: label)
        return try summary(slot, label, repository.writer?.writer, repository)
    }

    /// Makes a new key file, readable by its owner only; never over an existing file.
    public func addKeyFile(_ path: String, label: String) throws(LifeboatError) -> KeySummary {
        let repository = try openRepository()
        _ = try repository.requireMember()
        let slot = try repository.addKey(.keyFile(try KeyFile.create(path)), label: label)
        return try summary(slot, label, repository.writer?.writer, repository)
    }

    /// Removes the key with this id or unique prefix; refuses the last one.
    public func removeKey(_ id: String) throws(LifeboatError) -> KeySummary {
        let repository = try openRepository()
        let slots = try repository.listKeys()
        let chosen = try chosen(id, slots.map(\.slot.id), "key")
        guard let (slot, label, member) = slots.first(where: { $0.slot.id == chosen }) else {
            throw LifeboatError(.missing, "there is no such key", subject: id)
        }
        let result = try summary(slot, label, member, repository)
        try repository.removeKey(slot.id)
        return result
    }

    func summary(
        _ slot: KeySlot, _ label: String, _ member: Identifier?, _ repository: Repository
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
            id: slot.id, kind: kind, label: label, member: member, created: slot.created,
            isCurrent: isCurrent)
    }
}
