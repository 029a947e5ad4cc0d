public import LifeboatCore
import LifeboatMachine

/// What `lifeboat guardian` does: it lets guests run again where the run that froze them does not.
public enum GuardianService {
    /// Looks after the guests that standard input names, until they are known to run.
    ///
    /// Returns whether they are.
    public static func run() throws(LifeboatError) -> Bool {
        try Guardian(connecting: HostConnecting()).run()
    }
}
