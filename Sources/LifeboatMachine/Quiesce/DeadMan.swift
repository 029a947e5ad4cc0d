import LifeboatCore

/// A process in a guest that thaws it after a while, whoever is dead by then.
///
/// It is started before the freeze, since a frozen guest's agent starts nothing, and needs a POSIX
/// shell, `/proc` and the program `fsfreeze`. What is not frozen it leaves as it is: thawing that
/// is only an error.
enum DeadMan {
    private static let mark = "lifeboat-dead-man"

    /// What the guest's shell runs.
    ///
    /// First it ends those that died runs left, which would thaw what is frozen now.
    ///
    /// The program of busybox knows long options only, a service manager that ends the agent's
    /// processes sends `TERM` first, and a name in /proc/mounts has octal digits for blanks, which
    /// `%b` understands.
    static func script(seconds: Double) -> String {
        """
        : \(mark)
        PATH=$PATH:/usr/sbin:/sbin
        command -v fsfreeze >/dev/null 2>&1 || exit 3
        for file in $(grep -l ': \(mark)$' /proc/[0-9]*/cmdline 2>/dev/null); do
          process=${file#/proc/}
          process=${process%/cmdline}
          [ "$process" = "$$" ] || kill -9 "$process" 2>/dev/null
        done
        (
          trap '' HUP TERM INT
          sleep \(Int(seconds.rounded(.up)))
          round=0
          while [ "$round" -lt 30 ]; do
            while read -r device place rest; do
              case $device in
                /*) fsfreeze --unfreeze "$(printf %b "$place")" & ;;
              esac
            done < /proc/mounts
            sleep 2
            round=$((round + 1))
          done
        ) </dev/null >/dev/null 2>&1 &
        echo "$!"
        """
    }

    /// Starts it; its number in the guest.
    static func arm(
        _ quiescer: any Quiescer, seconds: Double, timeoutSeconds: Double
    ) throws(LifeboatError) -> Int64 {
        let result = try quiescer.run(
            ["/bin/sh", "-c", script(seconds: seconds)], timeoutSeconds: timeoutSeconds)
        guard result.exitCode != 3 else {
            throw LifeboatError(.missing, "there is no program fsfreeze in the guest")
        }
        let text = String(decoding: result.output, as: UTF8.self)
        guard result.exitCode == 0, let process = Int64(text.filter { !$0.isWhitespace }),
            process > 1
        else { throw LifeboatError(.unavailable, "the guest does not say that it was started") }
        return process
    }

    /// Ends it; by now the number may be another process's.
    static func disarm(
        _ quiescer: any Quiescer, process: Int64, timeoutSeconds: Double
    ) throws(LifeboatError) {
        let script = "grep -q \(mark) /proc/\(process)/cmdline && kill -9 \(process)"
        _ = try quiescer.run(["/bin/sh", "-c", script], timeoutSeconds: timeoutSeconds)
    }
}
