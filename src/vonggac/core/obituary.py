"""Tells the centre of roles that died: `python -m vonggac.core.obituary DATA DEATHS`, started by the supervisor.

A process of its own, so that the supervisor needs no database and never waits for one. Exit status 1: try again later.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from sqlalchemy.exc import OperationalError

from vonggac.core import presence
from vonggac.core.datafolder import DataFolder
from vonggac.core.eventlog import announce
from vonggac.core.log import configure, get_logger


def main(data: Path, deaths: list[dict[str, str]]) -> int:
    """Write an event for each death, and end its presence now instead of when it runs out."""
    folder = DataFolder.open(data)
    configure(folder.settings.log, "supervisor")
    database = folder.database(threads=1)
    try:
        with database.write() as session:
            for death in deaths:
                presence.forget(session, death["name"], int(death["pid"]))
                announce(session, "role.died", name=death["name"], status=death["status"], died_at=death["at"])
    except OperationalError as error:
        reason = " ".join(str(error.orig).split())
        get_logger().warning("The end of a role cannot be noted in the database yet", reason=reason)
        return 1
    finally:
        database.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), json.loads(sys.argv[2])))
