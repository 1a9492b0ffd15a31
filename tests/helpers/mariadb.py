"""A MariaDB server of our own, from Debian's packages, in a temporary folder; tests without one are skipped."""

import importlib.util
import os
import shutil
import socket
import subprocess
import time

import pytest
from database_server import DatabaseServer


class MariaDB(DatabaseServer):
    """Start it, restart it, stop it; root runs it as the user mysql."""

    def __init__(self):
        if shutil.which("mariadbd") is None or importlib.util.find_spec("pymysql") is None:
            pytest.skip("needs MariaDB's server and the driver pymysql")
        super().__init__("mariadb")
        self.user = ["--user=mysql"] if os.geteuid() == 0 else []
        if self.user:
            shutil.chown(self.folder, "mysql")
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
