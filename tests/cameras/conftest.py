"""A centre with a small tree, over both databases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from vonggac.core import schema
from vonggac.core.database import Database
from vonggac.core.secrets import SecretBox
from vonggac.org import service as org
from vonggac.org.schemas import unit_fields


@pytest.fixture
def box() -> SecretBox:
    return SecretBox(b"k" * 32)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    schema.upgrade(database)
    with database.write() as session:
        root = org.make_root(session, "Centre")
        town = org.add_unit(session, unit_fields(code="lien-nghia", name="Thị trấn Liên Nghĩa", kind="town"), root)
        org.add_unit(session, unit_fields(code="to-25", name="Tổ dân phố 25", kind="group"), town)
    yield database
    database.close()
