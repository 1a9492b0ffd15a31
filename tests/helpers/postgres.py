"""A PostgreSQL server of our own, from Debian's packages, in a temporary folder; tests without one are skipped."""

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from database_server import DatabaseServer

DRIVERS = ("psycopg", "psycopg2")


def programs():
    """Where initdb and postgres are; Debian puts them beside no command."""
    places = [Path(found).resolve().parent for found in [shutil.which("initdb")] if found]
    return next(iter([*places, *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]), None)


def driver():
    return next((name for name in DRIVERS if importlib.util.find_spec(name)), None)


class Server(DatabaseServer):
    """Start it, restart it, stop it; root runs it as the user postgres, for PostgreSQL refuses root."""

    def __init__(self):
        if programs() is None or driver() is None:
            pytest.skip("needs PostgreSQL's server and one of its drivers, psycopg or psycopg2")
        super().__init__("pg")
        self.user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self.user:
            shutil.chown(self.folder, "postgres")
        self.run("initdb", "-D", self.folder / "data", "-U", "me", "-A", "trust", "--no-sync")
        self.start()
        self.url = f"postgresql+{driver()}://me:secret@127.0.0.1:{self.port}/postgres"

    def run(self, program, *args):
        command = [*self.user, str(programs() / program), *map(str, args)]
        subprocess.run(command, check=True, capture_output=True, cwd=self.folder, timeout=60)

    def start(self):
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        self.run("pg_ctl", "-D", self.folder / "data", "-w", "-l", self.folder / "log", "-o", options, "start")

    def stop(self):
        self.run("pg_ctl", "-D", self.folder / "data", "-w", "-m", "immediate", "stop")
