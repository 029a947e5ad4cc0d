internal import Foundation

extension DomainRecipe {
    /// A random UUID, as libvirt writes them.
    public static func newUUID() -> String { UUID().uuidString.lowercased() }
}
