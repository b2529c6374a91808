"""Headers on every answer: what the browser must never do with our pages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        # Live pictures of browsers that do not decode them themselves are blobs of the page's own.
        "img-src 'self' blob:",
        # Live pictures and recordings reach a <video> through a MediaSource, whose address is a blob of the page's own.
        "media-src 'self' blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
"""No inline script or style, nothing from elsewhere, no frame around us (W3C Content Security Policy Level 3)."""

_ALWAYS = {
    b"content-security-policy": CONTENT_SECURITY_POLICY.encode(),
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
_UNLESS_SAID = {b"cache-control": b"no-store"}
_STRICT_TRANSPORT = (b"strict-transport-security", b"max-age=31536000")


class SecurityHeaders:
    """ASGI layer outside of everything else, so that errors carry the headers too."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [(name, value) for name, value in message.get("headers", ()) if name.lower() not in _ALWAYS]
                said = {name.lower() for name, _ in headers}
                headers += _ALWAYS.items()
                headers += [(name, value) for name, value in _UNLESS_SAID.items() if name not in said]
                if scope.get("scheme") == "https":
                    headers.append(_STRICT_TRANSPORT)
                message = {**message, "headers": headers}
            await send(message)

        await self._application(scope, receive, send_with_headers)
