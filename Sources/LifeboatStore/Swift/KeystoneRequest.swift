internal import FoundationEssentials

/// The body of `POST /v3/auth/tokens`.
enum KeystoneRequest {
    /// The JSON of a request for a token; it holds the secret.
    static func body(_ identity: KeystoneIdentity) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Texts and tables of texts can always be encoded.
        let data = try? encoder.encode(Value.table(["auth": value(identity)]))
        return data.map { [UInt8]($0) } ?? []
    }

    private indirect enum Value: Encodable {
        case text(String)
        case list([Value])
        case table([String: Value])

        func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            switch self {
            case .text(let text): try container.encode(text)
            case .list(let list): try container.encode(list)
            case .table(let table): try container.encode(table)
            }
        }
    }

    private static func value(_ identity: KeystoneIdentity) -> Value {
        switch identity {
        case .password(let password, let user, let project):
            let who = fields(user).merging(["password": .text(password.text)]) { $1 }
            return .table([
                "identity": .table([
                    "methods": .list([.text("password")]),
                    "password": .table(["user": .table(who)]),
                ]), "scope": .table(["project": .table(fields(project))]),
            ])
        case .applicationCredential(let credential, let secret):
            var fields: [String: Value] = ["secret": .text(secret.text)]
            switch credential {
            case .id(let id): fields["id"] = .text(id)
            case .name(let name, let user):
                fields["name"] = .text(name)
                fields["user"] = .table(self.fields(user))
            }
            return .table([
                "identity": .table([
                    "methods": .list([.text("application_credential")]),
                    "application_credential": .table(fields),
                ])
            ])
        }
    }

    private static func fields(_ name: KeystoneIdentity.Name) -> [String: Value] {
        switch name {
        case .id(let id): ["id": .text(id)]
        case .name(let name, .id(let id)):
            ["name": .text(name), "domain": .table(["id": .text(id)])]
        case .name(let name, .name(let domain)):
            ["name": .text(name), "domain": .table(["name": .text(domain)])]
        }
    }
}
