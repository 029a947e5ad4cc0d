import LifeboatCore

/// Reads repeated `KEY=VALUE` options: tags, and changed-extents files by volume.
enum NamePairs {
    static func tags(
        _ texts: [String], option: String = "--tag"
    ) throws(LifeboatError) -> [String: String] {
        try parse(texts, option: option, form: "KEY=VALUE", allowsEmptyValue: true)
    }

    static func changedExtents(
        _ texts: [String], volumes: [String]
    ) throws(LifeboatError) -> [String: String] {
        let files = try parse(
            texts, option: "--changed-extents", form: "NAME=FILE", allowsEmptyValue: false)
        for name in files.keys.sorted() where !volumes.contains(name) {
            throw LifeboatError(
                .usage, "--changed-extents names \(name), which is not among the volumes",
                subject: name, advice: "the volumes are \(volumes.joined(separator: ", "))")
        }
        return files
    }

    /// New names by old ones.
    static func names(
        _ texts: [String], option: String
    ) throws(LifeboatError) -> [String: String] {
        try parse(texts, option: option, form: "OLD=NEW", allowsEmptyValue: false)
    }

    private static func parse(
        _ texts: [String], option: String, form: String, allowsEmptyValue: Bool
    ) throws(LifeboatError) -> [String: String] {
        var pairs: [String: String] = [:]
        for text in texts {
            guard let equals = text.firstIndex(of: "="), equals != text.startIndex else {
                throw LifeboatError(.usage, "\(option) \(text) is not \(form)", subject: text)
            }
            let key = String(text[..<equals])
            let value = String(text[text.index(after: equals)...])
            if value.isEmpty, !allowsEmptyValue {
                throw LifeboatError(.usage, "\(option) \(text) is not \(form)", subject: text)
            }
            guard pairs.updateValue(value, forKey: key) == nil else {
                throw LifeboatError(.usage, "\(option) gives \(key) twice", subject: key)
            }
        }
        return pairs
    }
}
