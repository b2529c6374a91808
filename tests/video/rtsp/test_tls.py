"""rtsps: whom we believe, what is said where we do not, and pictures that come whole through TLS."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from vonggac.video.rtsp import CameraAddress, RtspConnection, RtspError, certificates
from vonggac.video.rtsp.certificates import fingerprint_of, read_certificate
from vonggac.video.rtsp.client import MIN_BUFFER
from vonggac.video.rtsp.connecting import shown_certificate
from vonggac.video.rtsp.wire import TlsWire

pytestmark = pytest.mark.slow
NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


def make_certificate(folder: Path, *, host: str = "127.0.0.1", days: tuple[int, int] = (-1, 1), ca=None, name="camera"):
    """A certificate and its key in one file, signed by itself or by `ca`."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    try:
        where: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        where = x509.DNSName(host)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(ca.subject if ca else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + days[0] * DAY)
        .not_valid_after(NOW + days[1] * DAY)
        .add_extension(x509.SubjectAlternativeName([where]), critical=False)
        .add_extension(x509.BasicConstraints(ca=ca is None, path_length=None), critical=True)
    )
    made = builder.sign(ca.key if ca else key, hashes.SHA256())
    path = folder / f"{name}.pem"
    pem = made.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(pem + secret)
    der = made.public_bytes(serialization.Encoding.DER)
    return SimpleNamespace(path=path, key=key, subject=subject, fingerprint=fingerprint_of(der), pem=pem)


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """An authority that this machine trusts while the test runs."""
    made = make_certificate(tmp_path, name="authority")
    monkeypatch.setenv("SSL_CERT_FILE", str(made.path))
    certificates._believing_authorities.cache_clear()
    yield made
    certificates._believing_authorities.cache_clear()


def address(port: int, host: str = "127.0.0.1") -> CameraAddress:
    return CameraAddress.parse(f"rtsps://admin:s3cret@{host}:{port}/live")


async def failure_of(work) -> RtspError:
    with pytest.raises(RtspError) as error:
        await work
    assert "s3cret" not in str(error.value)
    return error.value


def nothing(unit: object) -> None:
    """Pictures are not what these tests are about."""


@contextlib.asynccontextmanager
async def listening(certificate: Path, connected: Callable, **options: object):
    """A server that speaks TLS on loopback, through Python's own streams."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    for name, value in options.items():
        setattr(context, name, value)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError):
            await connected(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("mode", ["promptly", "on demand"])
@pytest.mark.parametrize("run_loop", ["uvloop"], indirect=True)
def test_every_picture_of_a_foreign_server_comes_encrypted_when_its_certificate_is_pinned(
    run_loop, gst_server, numbered_clip, tmp_path, mode
):
    made = make_certificate(tmp_path)
    camera = gst_server([numbered_clip()], user="admin", password="giám sát", tls=made.path)

    async def watch():
        units: list = []
        async with await RtspConnection.open(
            CameraAddress.parse(camera.url()), on_access_unit=units.append, tls_fingerprint=made.fingerprint
        ) as connection:
            assert connection.encryption.startswith("TLSv1")
            assert read_certificate(connection.certificate).fingerprint == made.fingerprint
            async with asyncio.timeout(8):
                if mode == "promptly":
                    connection.read_promptly()
                    while len(units) < 45:
                        await asyncio.sleep(0.05)
                else:
                    buffer = memoryview(bytearray(MIN_BUFFER))
                    while len(units) < 45:
                        connection.read_now(buffer)
                        await asyncio.sleep(0.2)
            assert connection.check_alive()
        return units, connection.session

    units, session = run_loop(watch())
    assert session.lost == 0
    assert session.oddities == set()
    assert session.state == "closed", "the goodbye was answered through TLS, too"
    assert session.description.authentication == "Digest MD5"
    assert len({unit.pts for unit in units}) == len(units)


@pytest.mark.parametrize("run_loop", ["uvloop"], indirect=True)
def test_a_foreign_server_with_a_certificate_of_a_trusted_authority_needs_no_pin(
    run_loop, gst_server, numbered_clip, tmp_path, authority
):
    made = make_certificate(tmp_path, ca=authority)
    camera = gst_server([numbered_clip()], tls=made.path)

    async def watch():
        async with await RtspConnection.open(CameraAddress.parse(camera.url()), on_access_unit=nothing) as connection:
            return connection.certificate

    assert fingerprint_of(run_loop(watch())) == made.fingerprint


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ({}, "issued by nobody whom this machine trusts"),
        ({"by_authority": True, "days": (-10, -1)}, "has expired"),
        ({"by_authority": True, "days": (1, 10)}, "is not valid yet"),
        ({"by_authority": True, "host": "192.0.2.1"}, "not made out to “127.0.0.1”"),
        ({"by_authority": True, "host": "other.example"}, "not made out to “127.0.0.1”"),
    ],
    ids=["self-signed", "expired", "not yet", "other address", "other name"],
)
def test_a_certificate_that_is_not_believed_is_told_with_what_to_do_and_no_password_goes_out(
    run_loop, tmp_path, authority, properties, words
):
    by_authority = properties.pop("by_authority", False)
    made = make_certificate(tmp_path, ca=authority if by_authority else None, **properties)
    properties.update(by_authority=by_authority)
    heard = []

    async def connected(reader, writer):
        heard.append(await reader.read(1000))

    async def enter():
        async with listening(made.path, connected) as port:
            error = await failure_of(RtspConnection.open(address(port), on_access_unit=nothing))
            der, version = await shown_certificate(address(port))
            await asyncio.sleep(0.1)
            return error, der, version

    error, der, version = run_loop(enter())
    assert error.reason == "untrusted"
    assert words in str(error)
    assert "--tls-fingerprint" in str(error)
    assert fingerprint_of(der) == made.fingerprint
    assert version == "TLSv1.3"
    assert set(heard) <= {b""}


def test_an_expired_certificate_of_the_wrong_name_is_believed_where_it_is_pinned_and_another_is_not(
    run_loop, tmp_path, sdp_text
):
    made = make_certificate(tmp_path, host="other.example", days=(-10, -1))
    other = make_certificate(tmp_path, name="other")
    heard = []

    async def connected(reader, writer):
        heard.append(await reader.read(1000))

    async def enter(pin: str):
        async with listening(made.path, connected) as port:
            return await failure_of(RtspConnection.open(address(port), on_access_unit=nothing, tls_fingerprint=pin))

    assert run_loop(enter(made.fingerprint)).reason == "closed"
    assert heard.pop().startswith(b"OPTIONS")
    error = run_loop(enter(other.fingerprint))
    assert error.reason == "untrusted"
    assert made.fingerprint in str(error)
    assert set(heard) <= {b""}


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("mode", ["promptly", "on demand"])
def test_pictures_through_records_of_any_cut_come_whole_with_messages_between(
    run_loop, tmp_path, scripted, rtp, version, mode
):
    made = make_certificate(tmp_path)
    packer, stream = rtp.Packer(), b""
    for number in range(120):
        unit = rtp.slice_unit(bytes([number + 1]) * 9000, key=number % 30 == 0)
        stream += rtp.interleave(packer.fragments(unit, number * 6000, marker=True, size=1400))
        stream += b"OPTIONS * RTSP/1.0\r\nCSeq: 9\r\n\r\n" if number % 40 == 0 else b""

    async def connected(reader, writer):
        camera = scripted(reader, writer)
        await camera.play()
        at, cut = 0, 1
        while at < len(stream):
            await camera.send(stream[at : at + cut])
            at, cut = at + cut, cut * 3 % 40_009
        await reader.read()

    async def watch():
        units: list = []
        async with (
            listening(made.path, connected, maximum_version=version) as port,
            await RtspConnection.open(
                address(port), on_access_unit=units.append, tls_fingerprint=made.fingerprint
            ) as connection,
        ):
            if mode == "promptly":
                connection.read_promptly()
            while len(units) < 120:
                if mode == "on demand":
                    connection.read_now()
                await asyncio.sleep(0.01)
            assert connection.session.lost == 0
        return [unit.data[-1] for unit in units]

    assert run_loop(watch()) == [number + 1 for number in range(120)]


def test_what_is_decrypted_and_unread_is_read_without_news_from_the_socket(run_loop, tmp_path, scripted, rtp):
    """Everything lies in the connection's own buffers when prompt reading begins, and nothing comes after it."""
    made = make_certificate(tmp_path)
    packer, stream = rtp.Packer(), b""
    for number in range(40):
        unit = rtp.slice_unit(bytes([number + 1]) * 4000, key=number == 0)
        stream += rtp.interleave(packer.fragments(unit, number * 6000, marker=True, size=1400))

    async def connected(reader, writer):
        camera = scripted(reader, writer)
        await camera.play(and_then=stream)
        await reader.read()

    async def watch():
        units: list = []
        async with (
            listening(made.path, connected) as port,
            await RtspConnection.open(
                address(port), on_access_unit=units.append, tls_fingerprint=made.fingerprint
            ) as connection,
        ):
            connection.read_promptly()
            while len(units) < 40:
                await asyncio.sleep(0.01)

    run_loop(watch())


class EndlessKeys:
    """In place of a socket and of TLS: records come without end, each with new keys and nothing to read.

    Python's own `ssl` cannot send such ones.
    """

    def __init__(self) -> None:
        self.taken = 0

    def recv(self, most: int) -> bytes:
        self.taken += 1
        assert self.taken < 1000, "one read takes without end"
        return bytes(1)

    def read(self, most: int, room: memoryview) -> int:
        raise ssl.SSLWantReadError


def test_records_that_hold_nothing_to_read_do_not_hold_the_reader():
    camera = EndlessKeys()
    wire = TlsWire(camera, ssl.create_default_context(), "camera")
    wire.object = camera
    with pytest.raises(BlockingIOError):
        wire.recv_into(memoryview(bytearray(MIN_BUFFER)))


def test_the_end_of_an_encrypted_connection_is_told(run_loop, tmp_path, scripted):
    made = make_certificate(tmp_path)

    async def connected(reader, writer):
        await scripted(reader, writer).play()
        await asyncio.sleep(0.1)

    async def watch():
        async with listening(made.path, connected) as port:
            connection = await RtspConnection.open(
                address(port), on_access_unit=nothing, tls_fingerprint=made.fingerprint
            )
            connection.read_promptly()
            error = await failure_of(connection.ended())
            await connection.close()
            return error

    assert run_loop(watch()).reason == "closed"


def test_a_server_without_tls_is_told_so(run_loop, scripted_camera):
    async def script(camera):
        await camera.reader.read(10)
        await camera.send(b"RTSP/1.0 400 Bad Request\r\n\r\n")

    async def enter():
        async with scripted_camera(script) as port:
            return await failure_of(RtspConnection.open(address(port), on_access_unit=nothing))

    error = run_loop(enter())
    assert error.reason == "protocol"
    assert "does not speak TLS" in str(error)


def test_a_server_that_takes_the_connection_and_agrees_on_nothing_is_timed_out(run_loop, scripted_camera):
    async def script(camera):
        await camera.reader.read()

    async def enter():
        async with scripted_camera(script) as port:
            return await failure_of(RtspConnection.open(address(port), on_access_unit=nothing, connect_timeout=0.4))

    error = run_loop(enter())
    assert error.reason == "timed_out"
    assert "encryption" in str(error)


def test_a_server_that_hangs_up_while_keys_are_agreed_on_is_told(run_loop, scripted_camera):
    async def script(camera):
        await camera.reader.read(10)

    async def enter():
        async with scripted_camera(script) as port:
            return await failure_of(RtspConnection.open(address(port), on_access_unit=nothing))

    assert run_loop(enter()).reason in ("protocol", "closed")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_an_encryption_that_is_no_longer_safe_is_refused_in_plain_words(run_loop, tmp_path):
    """A server of OpenSSL that speaks nothing newer than TLS 1.1."""
    made = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.path)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1

    def serve(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            with connection, context.wrap_socket(connection, server_side=True):
                pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        error = run_loop(
            failure_of(
                RtspConnection.open(
                    address(listener.getsockname()[1]), on_access_unit=nothing, tls_fingerprint=made.fingerprint
                )
            )
        )
    assert error.reason == "unsupported"
    assert "no longer safe" in str(error)


def test_what_is_no_certificate_is_refused(tmp_path):
    with pytest.raises(RtspError, match="cannot be read"):
        read_certificate(b"\x30\x03nope")
    der = ssl.PEM_cert_to_DER_cert(make_certificate(tmp_path).pem.decode())
    version = b"\xa0\x03\x02\x01"  # [0] INTEGER: 2 is version 3 (RFC 5280 §4.1)
    assert der.count(version + b"\x02") == 1
    with pytest.raises(RtspError, match="cannot be read"):
        read_certificate(der.replace(version + b"\x02", version + b"\x05"))
