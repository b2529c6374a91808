"""Answers in JSON that open pages fetch again and again."""

from __future__ import annotations

import gzip

import msgspec
from starlette.responses import Response

from vonggac.shell.visit import Visit

_GZIP_FROM = 2000


def packed_json(visit: Visit, value: object) -> Response:
    """Return a value in the reader's words as JSON, packed where that pays.

    Only for what holds no secret beside what a stranger could choose: its length tells something once it is packed.
    """
    body = msgspec.json.encode(value)
    headers = {"content-type": "application/json", "vary": "Accept-Encoding, Accept-Language, Cookie"}
    if len(body) > _GZIP_FROM and "gzip" in visit.request.headers.get("accept-encoding", ""):
        return Response(gzip.compress(body, 1), headers={**headers, "content-encoding": "gzip"})
    return Response(body, headers=headers)
