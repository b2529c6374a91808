"""The one history of tables gives exactly the tables of the models, on both databases."""

from __future__ import annotations

import importlib
import pkgutil

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

import vonggac
from vonggac.core import schema
from vonggac.core.database import Base, Database
from vonggac.core.errors import NotInitialised


def import_all_models() -> None:
    for module in pkgutil.walk_packages(vonggac.__path__, "vonggac."):
        if module.name.endswith(".models"):
            importlib.import_module(module.name)
    for name in ("vonggac.core.eventlog", "vonggac.core.faults", "vonggac.core.presence"):
        importlib.import_module(name)


def set_version(database: Database, version: str) -> None:
    with database.begin_write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = :version"), {"version": version})


def test_the_migrations_make_exactly_the_tables_of_the_models(database: Database):
    import_all_models()
    with database.engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True, "target_metadata": Base.metadata}
        differences = compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata)
    assert differences == []


def test_bringing_up_to_date_twice_changes_nothing(database: Database):
    schema.upgrade(database)
    schema.check(database)


def test_a_database_without_tables_says_how_to_make_them(database_url: str):
    database = Database(database_url)
    with pytest.raises(NotInitialised, match="Make them with: vonggac init"):
        schema.check(database)
    database.close()


def test_tables_of_an_older_version_say_how_to_bring_them_up_to_date(database: Database):
    set_version(database, "0000")
    with pytest.raises(NotInitialised, match=r"older version \(0000\)"):
        schema.check(database)


def test_tables_of_a_newer_version_are_not_touched(database: Database):
    set_version(database, "9999")
    with pytest.raises(NotInitialised, match="Install the newer"):
        schema.check(database)


def test_an_upgrade_that_fails_leaves_nothing_behind(database_url: str, monkeypatch: pytest.MonkeyPatch):
    database = Database(database_url)
    with database.begin_write() as connection:
        connection.execute(sa.text("CREATE TABLE still (id INTEGER)"))
    with pytest.raises(sa.exc.DBAPIError):
        schema.upgrade(database)
    with database.engine.connect() as connection:
        assert sa.inspect(connection).get_table_names() == ["still"]
    database.close()
