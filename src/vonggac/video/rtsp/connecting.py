"""From an address to a wire: names looked up, TCP connected, TLS agreed on; each failure in plain words."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl

from vonggac.video.rtsp.address import CameraAddress
from vonggac.video.rtsp.certificates import check_pin, context_for, no_tls, refused_certificate
from vonggac.video.rtsp.errors import RtspError
from vonggac.video.rtsp.wire import PlainWire, TlsWire, Wire

_SO_RCVBUFFORCE = 33  # <asm-generic/socket.h>; needs CAP_NET_ADMIN
_UNREACHABLE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EHOSTDOWN, errno.ENETDOWN}


async def connect(address: CameraAddress, window: int) -> socket.socket:
    """Connect to the first address of the host that answers; the caller bounds the time."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # OSError: also where the resolver itself can open no file
        raise RtspError("refused", f"The name “{address.host}” of the camera cannot be found.") from None
    failure: OSError | None = None
    for family, kind, protocol, _, where in found:
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as error:  # too many open files, or no such family on this machine
            failure = error
            continue
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            widen(sock, window)
            await loop.sock_connect(sock, where)
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise _refused(address, failure)


async def secure(sock: socket.socket, address: CameraAddress, fingerprint: str) -> Wire:
    """Return the wire over a connected socket: for rtsps with TLS, the camera's certificate believed or refused.

    `fingerprint` pins the certificate (`certificates.py`). Nothing of ours, no password above all, has been sent
    before the certificate is believed.
    """
    if not address.secure:
        return PlainWire(sock)
    wire = TlsWire(sock, await context_for(fingerprint), address.host)
    try:
        await wire.handshake()
    except ssl.SSLCertVerificationError as error:
        raise refused_certificate(error, address.host) from None
    except ssl.SSLError as error:
        raise no_tls(error) from None
    except OSError as error:
        raise broken(error) from None
    if fingerprint:
        check_pin(certificate_of(wire), fingerprint)
    return wire


async def shown_certificate(address: CameraAddress) -> tuple[bytes, str]:
    """Look at the certificate of an rtsps address, believed or not, and send nothing: (DER, version of TLS)."""
    sock = await connect(address, 0)
    try:
        wire = TlsWire(sock, await context_for("any"), address.host)
        try:
            await wire.handshake()
        except ssl.SSLError as error:
            raise no_tls(error) from None
        except OSError as error:
            raise broken(error) from None
        wire.farewell()
        return certificate_of(wire), wire.object.version() or ""
    finally:
        sock.close()


def certificate_of(wire: TlsWire) -> bytes:
    """Return the certificate that the camera has shown (DER)."""
    der = wire.object.getpeercert(binary_form=True)
    if not der:
        raise RtspError("untrusted", "The camera shows no certificate.")
    return der


def widen(sock: socket.socket, window: int) -> None:
    """Ask for a receive buffer of `window` bytes: before connecting, so that TCP can announce it (RFC 7323 §2).

    The kernel doubles the figure for its own book-keeping and cuts it at `net.core.rmem_max`, except for a process
    with the right to pass that. 0 leaves it as it is.
    """
    if not window:
        return
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, window)
    except OSError:
        with contextlib.suppress(OSError):  # what was granted stands in `RtspConnection.window`
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)


def granted(sock: socket.socket) -> int:
    """Return the bytes that may lie unread; the kernel reports twice that, with its book-keeping (socket(7))."""
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2


def broken(error: OSError) -> RtspError:
    """Say in plain words what a fault of the socket means."""
    if isinstance(error, TimeoutError):
        return RtspError("timed_out", "The connection to the camera was lost: it no longer answers.")
    if isinstance(error, ssl.SSLError):
        said = (error.reason or "").lower().replace("_", " ") or "it was cut off"
        return RtspError("protocol", f"The encrypted connection to the camera broke: {said}.")
    return RtspError("closed", f"The connection to the camera broke: {error.strerror or 'reset'}.")


def _refused(address: CameraAddress, error: OSError | None) -> RtspError:
    where = address.redacted
    if isinstance(error, TimeoutError) or (error and error.errno == errno.ETIMEDOUT):
        return RtspError("timed_out", f"The camera at {where} does not answer.")
    if isinstance(error, ConnectionRefusedError):
        return RtspError(
            "refused", f"Nothing listens at {where}. Is the port right, and RTSP switched on in the camera?"
        )
    if error and error.errno in _UNREACHABLE:
        return RtspError("refused", f"There is no way to {where} in the network. Is the camera on, the cable in?")
    said = error.strerror if error else "no address"
    return RtspError("refused", f"No connection to the camera at {where}: {said}.")
