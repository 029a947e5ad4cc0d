import LifeboatCore

/// What a command has to say when it is done, for people and for programs.
struct Report: Sendable {
    /// The one object that `--json` prints.
    var json: JSONValue
    /// What is printed without `--json`.
    var lines: [String]
    var status = ExitStatus.success
    /// True when standard output carries a volume's data.
    var usesStandardError = false
    /// True when everything was said while it ran.
    var isSilent = false

    /// Nothing more to say.
    static var silent: Report { Report(json: [:], lines: [], isSilent: true) }
}

/// A failure, for people and for programs.
struct ErrorReport: Sendable {
    var error: LifeboatError

    init(_ error: LifeboatError) { self.error = error }

    var status: ExitStatus { ExitStatus(error.code) }

    /// `lifeboat: message`, and what to do now on a line of its own.
    var text: String {
        let plain = LifeboatError(
            error.code, error.message, subject: error.subject, cause: error.cause)
        var lines = "lifeboat: \(SafeText.line(plain.description))\n"
        if let advice = error.advice { lines += "lifeboat: \(SafeText.line(advice))\n" }
        return lines
    }

    var json: JSONValue { ["error": members] }

    /// A line of `--progress json`.
    var event: JSONValue { ["event": "error", "error": members] }

    /// What is wrong, member by member.
    var members: JSONValue {
        [
            "code": .string(Self.snakeCase(error.code.rawValue)),
            "exit_code": JSONValue(Int(status.rawValue)), "message": .string(error.message),
            "subject": JSONValue(error.subject), "cause": JSONValue(error.cause),
            "advice": JSONValue(error.advice),
        ]
    }

    /// `noRepository` becomes `no_repository`.
    static func snakeCase(_ name: String) -> String {
        var result = ""
        for character in name {
            if character.isUppercase { result += "_" }
            result += character.lowercased()
        }
        return result
    }
}
