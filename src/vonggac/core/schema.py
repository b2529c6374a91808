"""Bringing the tables to the version of this program."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from vonggac.core.database import Database
from vonggac.core.errors import NotInitialised

_SCRIPTS = Path(__file__).parent.parent / "migrations"


def head() -> str:
    """Return the newest revision: migrations are numbered (`0001_….py` is revision 0001)."""
    return max(path.name.partition("_")[0] for path in (_SCRIPTS / "versions").glob("[0-9]*.py"))


def upgrade(database: Database) -> None:
    """Create the tables or bring them up to date; all or nothing."""
    from alembic import command
    from alembic.config import Config

    with database.begin_write() as connection:
        config = Config()
        config.set_main_option("script_location", str(_SCRIPTS))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def check(database: Database) -> None:
    """Raise NotInitialised unless the tables are those of this program."""
    # Without Alembic: a role that only wants to start should not pay for it.
    with database.engine.connect() as connection:
        tables = sa.inspect(connection).get_table_names()
        found = None
        if "alembic_version" in tables:
            found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    if found is None:
        raise NotInitialised("The database has no tables yet. Make them with: vonggac init DIR")
    if found < head():
        raise NotInitialised(
            f"The database is of an older version ({found}). Bring it up to date with: vonggac init DIR"
        )
    if found > head():
        raise NotInitialised(f"The database is of a newer version ({found}). Install the newer Vọng Gác.")
