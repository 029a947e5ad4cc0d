internal import LifeboatCore

/// The settings of one cloud by the names that `clouds.yaml` has for them: `auth_url`, `username`.
///
/// Variables of the environment have the same names, in capitals and after `OS_`.
struct CloudSettings: Sendable {
    /// Where they come from, for messages.
    let source: String
    private var values: [String: SecretText] = [:]

    init(source: String, _ values: [String: String]) {
        self.source = source
        // A variable that is set to nothing is as good as unset.
        self.values = values.filter { !$0.value.isEmpty }.mapValues(SecretText.init)
    }

    /// The first of these settings that is there.
    subscript(_ names: String...) -> String? {
        names.lazy.compactMap { values[$0]?.text }.first
    }

    /// As the subscript, for what must not be shown.
    func secret(_ names: String...) -> SecretText? {
        names.lazy.compactMap { values[$0] }.first
    }

    /// These settings, with some of another source where these have none.
    func completed(_ names: [String], from other: CloudSettings) -> CloudSettings {
        var result = self
        for name in names where result.values[name] == nil {
            result.values[name] = other.values[name]
        }
        return result
    }

    /// These settings, with `~` in names of files spelled out.
    func withHome(_ home: String) -> CloudSettings {
        var result = self
        if let file = self["cacert"], file.hasPrefix("~/") {
            result.values["cacert"] = SecretText(home + file.dropFirst())
        }
        return result
    }

    /// The settings among the variables of an environment.
    init(environment: [String: String]) {
        var values: [String: String] = [:]
        for (name, value) in environment where name.hasPrefix("OS_") {
            values[name.dropFirst(3).lowercased()] = value
        }
        // It names a cloud of `clouds.yaml` and says nothing about this one.
        values["cloud"] = nil
        self.init(source: "the environment", values)
    }

    /// The older variables of Swift's own authentication.
    init(legacyEnvironment environment: [String: String]) {
        let names = ["ST_AUTH": "auth_url", "ST_USER": "username", "ST_KEY": "password"]
        var values = ["auth_type": "v1password"]
        for (variable, name) in names { values[name] = environment[variable] }
        self.init(source: "the variables ST_AUTH, ST_USER and ST_KEY", values)
    }
}
