import Lifeboat
import LifeboatCore

extension RecoveryPage {
    /// The page of one part of a split recovery key.
    init(_ part: RecoveryKeySplitResult.Part, of result: RecoveryKeySplitResult, time: UInt64) {
        let total = result.parts.count
        heading = "Lifeboat recovery key, part \(part.number) of \(total)"
        let many =
            switch result.needed {
            case 1: "Whoever holds this page and the repository can read every backup in it."
            case total: "All \(total) parts together make the recovery key, fewer tell nothing."
            default:
                """
                Any \(result.needed) of the \(total) parts together make the recovery key, fewer \
                tell nothing.
                """
            }
        warning = "Secret. \(many) Keep it apart from the other parts."
        facts = [
            ("Repository", result.repository.hex), ("Set", result.set),
            ("Part", "\(part.number) of \(total), of which \(result.needed) are needed"),
            ("Made on", TimeText.date(time)),
        ]
        lines = part.lines
        code = part.code
        purpose =
            "To restore from \(result.needed == 1 ? "this page" : "\(result.needed) such pages")"
        steps = [
            """
            For each part make a text file with its eight lines as they stand above. The last
            group of each line but the first is a checksum: lifeboat names a mistyped line. Or
            scan the code, and save its text as the file.
            """,
            """
            Run <code>lifeboat key join PART-FILE... --recovery-key-file FILE</code>, with
            \(result.needed == 1 ? "one part" : "\(result.needed) parts"), to make the recovery
            key.
            """,
            """
            Run <code>lifeboat restore POINT TARGET --repo REPOSITORY --recovery-key-file
            FILE</code>. No password is needed.
            """,
        ]
    }
}
