"""Runs a command in the namespaces of a process: `enter.py PROCESS COMMAND ...`.

Unlike nsenter it does not stop when the command is stopped, and the command is killed with it.
"""
import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(process, *command):
    libc = ctypes.CDLL(None, use_errno=True)
    folder = os.getcwd()
    # That of mounts last, as it takes the names of the others away.
    spaces = [os.open(f"/proc/{process}/ns/{name}", os.O_RDONLY) for name in ("net", "uts", "pid", "mnt")]
    for space in spaces:
        if libc.setns(space, 0):
            sys.exit(f"enter: {os.strerror(ctypes.get_errno())}")
    os.chdir(folder)
    child = os.fork()
    if child == 0:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        # Python ignores these, and a command would inherit that.
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        try:
            os.execvp(command[0], command)
        except OSError as error:
            print(f"enter: {command[0]}: {error.strerror}", file=sys.stderr)
            os._exit(127)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: os.kill(child, number))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code < 0:
        if -code not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


if __name__ == "__main__":
    main(*sys.argv[1:])
