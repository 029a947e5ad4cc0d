"""Guests of another host, reached as libvirt itself is: through ssh, with TLS, and plainly."""
import json
import signal

from machine_labs import *

from guests.remote import RemoteAccess  # noqa: E402

USUAL = 12 * MIB
SCRATCH = "/var/tmp/of/lifeboat"


class Sites:
    """The host that backs up, and the one with the guest."""

    here = there = access = None

    @classmethod
    def begin(cls):
        if cls.here is None:
            cls.here, cls.there = Host("here", networks=()), Host("there")
            run_hosts(cls.here, cls.there)
            Link(cls.here, cls.there).up()
            cls.access = RemoteAccess(cls.there, Link.SECOND).start_ssh().start_network()
            # What is in it on one host is not on the other.
            for host in (cls.here, cls.there):
                host.run(["mount", "-t", "tmpfs", "tmpfs", "/var/tmp"])
            for uri in (cls.access.ssh_uri, cls.access.tls_uri, cls.access.tcp_uri):
                cls.access.wait(uri, cls.here)
            cls.there.domain("guest").start(wait=False)
        guest = cls.there.domains["guest"].wait_ready()
        forget_checkpoints(guest)
        return guest, MachineLab(cls.here)


def by(uri, *options):
    return ("--connect", uri, "--scratch-directory", SCRATCH, *options)


def files_there():
    code, text = Sites.there.attempt(["ls", "-R", SCRATCH])
    return text.split() if code == 0 else []


def expect_nothing_there(lab, guest):
    expect_nothing_left(lab, guest)
    equal(Sites.there.virsh("pool-list", "--all", "--name").split(), [], "storage pools")
    equal(files_there(), [SCRATCH + ":"], "scratch files")
    code, text = Sites.here.attempt(["pgrep", "-f", "/access/ssh_config"])
    check(code == 1, f"left of ssh: {text}")


def full_and_incremental(uri):
    guest, lab = Sites.begin()
    report = lab.exact_point(guest, options=by(uri))
    expect_methods(report, vda="full", vdb="full")
    guest.write_noise(2, "remote")
    report = lab.exact_point(guest, options=by(uri))
    expect_methods(report, vda="hint", vdb="hint")
    check(volume_of(report, "vdb")["bytes_read"] < 2 * MIB + USUAL, f"read: {volume_of(report, 'vdb')}")
    expect_nothing_there(lab, guest)
    return guest, lab


@test
def through_ssh():
    uri = Sites.begin() and Sites.access.ssh_uri
    guest, lab = full_and_incremental(uri)
    # The agent and the guardian go the same way.
    report = lab.point_of(guest, options=by(uri, "--quiesce", "require"))
    equal(report["consistency"], "filesystem", "level")
    equal(machine_of(report)["dead_man"], True, "the dead man's switch")
    expect_thawed(guest, 20)
    listed = lab.run("machines", "--connect", uri, needs_repository=False).expect(0)
    check(guest.name in json.dumps(listed.json), f"machines: {listed.json}")
    # A tunnel that ends.
    points = len(lab.points())
    guest.write_noise(8, "remote")
    process = lab.start_protecting(guest, options=by(uri, "--quiesce", "crash"), stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT)
    wait_until(lambda: "nbd.sock" in files_there() or process.poll() is not None, 60, "the job")
    Sites.here.kill_program(process, signal.SIGSTOP)
    tunnel = Sites.here.run(["pgrep", "-f", "ssh .*-L .*nbd.sock"]).split()
    check(tunnel, "there is no tunnel")
    Sites.here.run(["kill", *(number.decode() for number in tunnel)])
    Sites.here.kill_program(process, signal.SIGCONT)
    out, _ = process.communicate(timeout=120)
    check(process.returncode not in (0, 3), f"exit code {process.returncode}: {out[-300:]!r}")
    check(b"tunnel" in out, f"nothing is said of the tunnel: {out[-600:]!r}")
    equal(len(lab.points()), points, "points")
    expect_nothing_there(lab, guest)
    # A program that is killed, with all that it has there.
    process = lab.start_protecting(guest, options=by(uri, "--quiesce", "crash"))
    wait_until(lambda: "nbd.sock" in files_there() or process.poll() is not None, 60, "the job")
    Sites.here.kill_program(process)
    process.wait(30)
    expect_methods(lab.exact_point(guest, options=by(uri)), vda="hint", vdb="hint")
    expect_nothing_there(lab, guest)


@test
def with_tls():
    Sites.begin()
    guest, lab = full_and_incremental(Sites.access.tls_uri)
    # Without its certificate a client gets nothing.
    nothing = Sites.access.tls_uri.replace("/access", "/elsewhere")
    result = lab.protect(guest, options=by(nothing))
    check(result.code not in (0, 3), f"without a certificate: {result.told()[:300]}")
    # The connection to libvirt is no part of what NBD needs.
    report = lab.exact_point(guest, options=by(Sites.access.tcp_uri))
    expect_methods(report, vda="hint", vdb="hint")
    expect_nothing_there(lab, guest)
    guest.shut_down()
    result = lab.protect(guest, options=by(Sites.access.tls_uri))
    check(result.code not in (0, 3) and "another host" in result.told(), f"shut off: {result.told()[:300]}")


main()
