"""A hot standby of an embedded cluster."""

import shutil

from app.demo.server import SUPERUSER, EmbeddedPostgres


class Standby(EmbeddedPostgres):
    """Copied by pg_basebackup, and following its primary until it is promoted. A context manager like any cluster."""

    def __init__(self, primary: EmbeddedPostgres) -> None:
        super().__init__()
        self._primary = primary
        self.password = primary.password

    def promote(self) -> None:
        """Returns when it takes writes."""
        self._run("pg_ctl", "promote", "-w", "-s", "-D", str(self._data))

    def _initialise(self) -> None:
        if self._system_user is not None:
            shutil.chown(self._directory, self._system_user)
        source = self._primary.url(SUPERUSER).replace("/postgres", "/postgres?replication=true")
        options = ("--wal-method=stream", "--checkpoint=fast", "--no-sync", "--write-recovery-conf")
        self._run("pg_basebackup", f"--dbname={source}", *options, f"--pgdata={self._data}")
