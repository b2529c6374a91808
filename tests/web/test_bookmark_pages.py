"""Bookmarks over HTTP: made, listed, searched, deleted by whoever may."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import sqlalchemy as sa

from vonggac.core.clock import microseconds, utc_now
from vonggac.org.models import Account


async def post(client: Any, value: Any) -> httpx.Response:
    headers = {"x-csrf-token": await client.token()}
    found: httpx.Response = await client.http.post("/api/bookmarks", json=value, headers=headers)
    return found


async def listed(client: Any, query: str = "") -> list[dict[str, Any]]:
    answer = await client.get(f"/api/bookmarks{query}", page=False)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    found: list[dict[str, Any]] = answer.json()["bookmarks"]
    return found


NOW_MS = microseconds(utc_now()) // 1000


def test_bookmarks_are_made_listed_by_camera_and_interval_and_found_by_words(client: Any, district: Any) -> None:
    market = district.cameras["Chợ Liên Nghĩa"].hex

    async def body() -> None:
        await client.log_in()
        at = NOW_MS - 60_000
        first = await post(client, {"camera": market, "at_ms": at, "to_ms": at + 5000, "note": "Áo đỏ"})
        second = await post(client, {"camera": 2, "at_ms": at, "note": "Xe tải", "to_ms": None})
        assert (first.status_code, second.status_code) == (201, 201)
        (one,) = await listed(client, f"?camera=1&from={at - 1000}&to={at + 1000}")
        assert one == {
            "id": first.json()["id"], "camera": market, "at_ms": at, "to_ms": at + 5000, "note": "Áo đỏ",
            "by": "trucban1", "mine": True, "may_delete": True,
        }  # fmt: skip
        assert [one["note"] for one in await listed(client, "?q=xe+tai")] == ["Xe tải"]
        assert len(await listed(client)) == 2
        assert await listed(client, f"?camera=1&from={at + 5000}") == []
        line = (await client.get(f"/api/timeline?camera=1&from={at - 1000}&to={at + 1000}", page=False)).json()
        assert line["bookmarks"] == [one]
        for query, status in (("?from=gestern", 400), ("?to=-1", 400), (f"?to={'9' * 40}", 400), ("?camera=77", 404)):
            assert (await client.get(f"/api/bookmarks{query}", page=False)).status_code == status

    asyncio.run(body())


def test_wrong_input_is_refused_in_the_readers_words(client: Any) -> None:
    async def body() -> None:
        await client.log_in()
        good = {"camera": 1, "at_ms": NOW_MS - 1000, "note": "x"}
        for changed, status, words in (
            ({"note": " "}, 409, "ghi chú"),
            ({"note": "x" * 501}, 409, "500"),
            ({"at_ms": NOW_MS + 3_600_000}, 409, "tương lai"),
            ({"to_ms": NOW_MS - 2000}, 409, "sau thời điểm bắt đầu"),
            ({"at_ms": "x"}, 400, ""),
            ({"at_ms": -5}, 400, ""),
            ({"camera": 99}, 404, ""),
        ):
            answer = await post(client, good | changed)
            assert answer.status_code == status, changed
            assert words in answer.json()["error"]
        for nonsense in ("x", "-1", "9" * 30, "0" * 20 + "9" * 30, "0" * 5000):
            assert (await client.get(f"/api/bookmarks?from={nonsense}", page=False)).status_code == 400
        assert await listed(client) == []

    asyncio.run(body())


def test_a_bookmark_is_deleted_by_its_owner_or_an_administrator_only(
    client: Any, application: Any, district: Any, monkeypatch: Any
) -> None:
    from vonggac.org.accounts import Visitor

    async def body() -> None:
        await client.log_in()
        made = (await post(client, {"camera": 1, "at_ms": NOW_MS - 1000, "note": "x"})).json()["id"]
        other = type(client)(application)
        monkeypatch.setattr(Visitor, "may", lambda _self, _verb, _unit_id=None: True)
        await other.log_in("khach1")
        (seen,) = await listed(other)
        assert (seen["mine"], seen["may_delete"]) == (False, False)
        headers = {"x-csrf-token": await other.token()}
        path = f"/api/bookmarks/{made}"
        assert (await other.http.delete(path, headers=headers)).status_code == 403
        assert (await other.http.delete("/api/bookmarks/nonsense", headers=headers)).status_code == 404
        assert (await client.http.delete(path)).status_code == 403  # without the token of a page
        with district.database.write() as session:
            session.execute(sa.update(Account).values(administrator=True))
        assert (await other.http.delete(path, headers=headers)).status_code == 200
        assert (await other.http.delete(path, headers=headers)).status_code == 404
        assert await listed(client) == []

    asyncio.run(body())
