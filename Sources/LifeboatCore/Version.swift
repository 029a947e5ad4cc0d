/// The version of this build.
public enum Version {
    /// As semantic versioning has it.
    public static let number = "0.1.0"
    /// What stands in every point about who made it.
    public static let program = "lifeboat " + number
}
