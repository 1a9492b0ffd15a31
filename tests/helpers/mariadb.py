"""A MariaDB server of our own, from Debian's packages, in a temporary folder; tests without one are skipped."""

import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest


class MariaDB:
    """Start it, restart it, stop it; root runs it as the user mysql."""

    def __init__(self):
        if shutil.which("mariadbd") is None or importlib.util.find_spec("pymysql") is None:
            pytest.skip("needs MariaDB's server and the driver pymysql")
        self.folder = Path(tempfile.mkdtemp(prefix="lr_callbacks_mariadb"))
        self.user = ["--user=mysql"] if os.geteuid() == 0 else []
        if self.user:
            shutil.chown(self.folder, "mysql")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        make = ["mariadb-install-db", *self.user, f"--datadir={self.folder}/data", "--skip-test-db"]
        make.append("--auth-root-authentication-method=normal")
        subprocess.run(make, check=True, capture_output=True, timeout=120)
        self.start()
        sql = "create database sweeps; create user me@'%' identified by 'secret'; grant all on sweeps.* to me@'%'"
        client = ["mariadb", "--protocol=tcp", "-h127.0.0.1", f"-P{self.port}", "-uroot", "-e", sql]
        subprocess.run(client, check=True, capture_output=True, timeout=60)
        self.url = f"mysql+pymysql://me:secret@127.0.0.1:{self.port}/sweeps"

    def start(self):
        options = [f"--datadir={self.folder}/data", f"--port={self.port}", f"--socket={self.folder}/socket"]
        command = ["mariadbd", "--no-defaults", *self.user, *options, "--bind-address=127.0.0.1"]
        null = subprocess.DEVNULL
        self.process = subprocess.Popen(command, stdin=null, stdout=null, stderr=null)
        deadline = time.monotonic() + 60
        while True:
            try:
                return socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:  # noqa: PERF203
                assert time.monotonic() < deadline, "MariaDB does not start"
                time.sleep(0.1)

    def stop(self):
        self.process.kill()
        self.process.wait()

    def restart(self, down=1.0):
        self.stop()
        time.sleep(down)
        self.start()

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
