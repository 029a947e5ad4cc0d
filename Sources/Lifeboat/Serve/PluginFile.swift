import LifeboatCore
import LifeboatSystem

/// The file that makes nbdkit serve points.
enum PluginFile {
    static let variable = "LIFEBOAT_NBDKIT_PLUGIN"
    private static let name = "liblifeboat-nbdkit-plugin.so"

    /// Where it is: what the variable says, beside the program, or where it is installed.
    static func find() throws(LifeboatError) -> String {
        if let given = Files.environment(variable), !given.isEmpty {
            let path = Files.absolute(given)
            guard Files.exists(path) else {
                throw LifeboatError(
                    .missing, "there is no file as \(variable) names it", subject: path)
            }
            return path
        }
        let program = Files.linkTarget("/proc/self/exe") ?? ""
        let folder = Files.parent(of: program)
        let places = [folder, Files.parent(of: folder) + "/lib/lifeboat"].map { $0 + "/" + name }
        if let found = places.first(where: Files.exists) { return found }
        throw LifeboatError(
            .missing, "the part of lifeboat that serves points is not installed", subject: name,
            advice: "put it at \(places[1]), or name it with \(variable)")
    }
}
