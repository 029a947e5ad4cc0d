"""Ways into a host from another one: ssh, and libvirt's own TLS and TCP. All keys are throw-away ones."""
import os

from servers.process import run, wait_until

SSH_DAEMON = """ListenAddress {address}:22
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile {folder}/sshd.pid
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
"""

SSH_CLIENT = """Host *
  UserKnownHostsFile {folder}/known_hosts
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
"""

QEMU_TLS = """backup_tls_x509_cert_dir = "{folder}/tls"
backup_tls_x509_verify = 1
"""

LIBVIRT_NETWORK = """listen_tls = 1
listen_tcp = 1
auth_tcp = "none"
auth_tls = "none"
key_file = "{folder}/tls/server-key.pem"
cert_file = "{folder}/tls/server-cert.pem"
ca_file = "{folder}/tls/ca-cert.pem"
crl_file = ""
"""


class RemoteAccess:
    """What is needed to reach `host` by `address`; the folder is seen by all hosts."""

    def __init__(self, host, address):
        self.host, self.address = host, address
        self.folder = host.path("access")
        os.makedirs(self.path("tls"))
        self.daemon = None

    def path(self, *names):
        return os.path.join(self.folder, *names)

    # ssh.

    def start_ssh(self):
        for name in ("host_key", "key"):
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.path(name)])
        os.replace(self.path("key.pub"), self.path("authorized_keys"))
        with open(self.path("host_key.pub")) as file:
            self.write("known_hosts", f"{self.address} {file.read()}")
        self.write("sshd_config", SSH_DAEMON.format(folder=self.folder, address=self.address))
        self.write("ssh_config", SSH_CLIENT.format(folder=self.folder))
        os.chmod(self.write("ssh", f'#!/bin/sh\nexec ssh -F {self.path("ssh_config")} "$@"\n'), 0o755)
        self.host.run(["mkdir", "-p", "/run/sshd"])
        # By its whole path, as it starts itself again for each connection.
        self.daemon = self.host.start_process(
            ["/usr/sbin/sshd", "-D", "-e", "-f", self.path("sshd_config")],
            stderr=open(self.host.path("log", "sshd.log"), "wb"))
        return self

    @property
    def ssh_uri(self):
        return (f"qemu+ssh://root@{self.address}/system?keyfile={self.path('key')}"
                f"&command={self.path('ssh')}")

    # TLS.

    def start_network(self):
        """Lets libvirt listen; it is restarted for that."""
        self.make_certificates()
        with open(self.host.path("etc", "qemu.conf"), "a") as file:
            file.write(QEMU_TLS.format(folder=self.folder))
        with open(self.host.path("etc", "libvirtd.conf"), "a") as file:
            file.write(LIBVIRT_NETWORK.format(folder=self.folder))
        self.host.end_daemon()
        self.host.start_daemon("--listen")
        return self

    def make_certificates(self):
        tls = self.path("tls")

        def make(name, *options):
            run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                 "-days", "2", "-keyout", f"{tls}/{name}-key.pem", "-out", f"{tls}/{name}-cert.pem", *options])

        make("ca", "-subj", "/CN=throw-away", "-addext", "keyUsage=critical,keyCertSign")
        signed = ["-CA", f"{tls}/ca-cert.pem", "-CAkey", f"{tls}/ca-key.pem", "-addext",
                  "basicConstraints=critical,CA:FALSE", "-addext",
                  "keyUsage=critical,digitalSignature,keyEncipherment"]
        make("server", "-subj", f"/CN={self.address}", "-addext", f"subjectAltName=IP:{self.address}",
             "-addext", "extendedKeyUsage=serverAuth", *signed)
        make("client", "-subj", "/CN=client", "-addext", "extendedKeyUsage=clientAuth", *signed)
        for ours, theirs in (("ca-cert", "cacert"), ("client-cert", "clientcert"),
                             ("client-key", "clientkey")):
            os.symlink(f"{tls}/{ours}.pem", self.path(f"{theirs}.pem"))

    @property
    def tls_uri(self):
        return f"qemu+tls://{self.address}/system?pkipath={self.folder}"

    @property
    def tcp_uri(self):
        return f"qemu+tcp://{self.address}/system"

    def wait(self, uri, client):
        """Until libvirt on `client` gets there."""
        wait_until(lambda: client.attempt(["virsh", "-c", uri, "version"])[0] == 0, 30, f"a way by {uri}")

    def write(self, name, text):
        with open(self.path(name), "w") as file:
            file.write(text)
        return self.path(name)

    def stop(self):
        if self.daemon and self.daemon.poll() is None:
            self.host.kill_program(self.daemon)
            self.daemon.wait(10)
