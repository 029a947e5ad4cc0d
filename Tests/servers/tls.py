"""nginx as a TLS front of another server, with a certificate that is right and with wrong ones."""
import os

from .process import run, wait_until
from .server import Server, free_port

CONFIGURATION = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/log/error.log;
events {{ worker_connections 512; }}
http {{
  access_log off; client_max_body_size 0;
  client_body_temp_path {folder}/tmp/b; proxy_temp_path {folder}/tmp/p;
  fastcgi_temp_path {folder}/tmp/f; uwsgi_temp_path {folder}/tmp/u; scgi_temp_path {folder}/tmp/s;
  {servers}
}}
"""

# The name that the client asked for is part of what it signs, so it is passed on as it came.
SERVER = """
  server {{
    listen {address}:{port} ssl; ssl_protocols TLSv1.2 TLSv1.3;
    ssl_certificate {folder}/{certificate}.crt; ssl_certificate_key {folder}/{certificate}.key;
    location / {{
      proxy_pass http://127.0.0.1:{target}; proxy_http_version 1.1;
      proxy_set_header Host $http_host; proxy_set_header Connection "";
      proxy_request_buffering off; proxy_buffering off; proxy_read_timeout 300;
    }}
  }}
"""

NAMES = {
    "right": ("DNS:localhost,IP:127.0.0.1", 30),
    "wrong-name": ("DNS:elsewhere.example", 30),
    "expired": ("DNS:localhost,IP:127.0.0.1", -1),
}


class TLSFront(Server):
    name = "tls"

    def __init__(self, target, name=None, address="127.0.0.1", port=None):
        """A front of the server on the port `target`; each kind of certificate has its port.

        `name`, `port`: another name that the right certificate is for, and its port.
        """
        super().__init__()
        self.target, self.address = target, address
        self.ports = {certificate: free_port() for certificate in NAMES}
        self.ports["right"] = port or self.ports["right"]
        self.names = {certificate: names for certificate, (names, _) in NAMES.items()}
        self.names["right"] += f",DNS:{name}" if name else ""

    def url(self, certificate="right"):
        return f"https://localhost:{self.ports[certificate]}"

    @property
    def authority(self):
        """The certificate authority that signed all three certificates."""
        return self.path("authority.crt")

    @property
    def other_authority(self):
        """An authority that signed none of them."""
        return self.path("other.crt")

    def environment(self):
        return {"TLS_URL": self.url(), "TLS_CA": self.authority}

    def launch(self):
        os.makedirs(self.path("tmp"))
        for name in ("authority", "other"):
            run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                 "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.path(f"{name}.key"),
                 "-out", self.path(f"{name}.crt"), "-days", "30", "-subj", f"/CN=test {name}",
                 "-addext", "basicConstraints=critical,CA:TRUE", "-addext",
                 "keyUsage=critical,keyCertSign,cRLSign"])
        for certificate, (_, days) in NAMES.items():
            self._sign(certificate, self.names[certificate], days)
        servers = "".join(
            SERVER.format(address=self.address, port=port, certificate=certificate, folder=self.folder,
                          target=self.target)
            for certificate, port in self.ports.items())
        self.write("nginx.conf", CONFIGURATION.format(folder=self.folder, servers=servers))
        if os.geteuid() == 0:
            # nginx gives its rights away, and then has to reach its folders.
            os.chmod(self.folder, 0o711)
            os.chmod(self.path("tmp"), 0o777)
        self.process("nginx", ["/usr/sbin/nginx", "-c", self.path("nginx.conf"), "-e",
                               self.path("log", "error.log")])

    def _sign(self, certificate, names, days):
        extensions = self.write(
            f"{certificate}.ext", f"subjectAltName={names}\nextendedKeyUsage=serverAuth\n")
        request, key = self.path(f"{certificate}.csr"), self.path(f"{certificate}.key")
        run(["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-keyout", key, "-out", request, "-subj", f"/CN={certificate}"])
        run(["openssl", "x509", "-req", "-in", request, "-CA", self.authority, "-CAkey",
             self.path("authority.key"), "-CAcreateserial", "-days", str(days), "-extfile",
             extensions, "-out", self.path(f"{certificate}.crt")])

    def ready(self):
        import socket

        def listening():
            for port in self.ports.values():
                with socket.socket() as probe:
                    if probe.connect_ex((self.address, port)):
                        return False
            return True
        wait_until(listening, 20, "nginx", self.processes)
