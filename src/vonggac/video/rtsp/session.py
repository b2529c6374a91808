"""One RTSP session (RFC 2326) over a TCP connection, without I/O: bytes in, bytes out, pictures to a callback.

OPTIONS, DESCRIBE, SETUP of the video track and, where wanted, of one of sound, PLAY; then RTP and RTCP interleaved
with replies and the camera's own requests (§10.12), or beside them over UDP, framed by whoever receives them as if
they were interleaved. The connection that carries it is `client.RtspConnection`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from vonggac.core.digest import Authenticator, parse_challenges
from vonggac.video.rtsp import rtcp, sdp
from vonggac.video.rtsp.address import CameraAddress
from vonggac.video.rtsp.depacketiser import Depacketiser
from vonggac.video.rtsp.description import DEFAULT_SESSION_TIMEOUT_S, ArrivedReport, StreamDescription
from vonggac.video.rtsp.errors import RtspError, quoted
from vonggac.video.rtsp.message import Headers, Request, Response, build_request, build_response, parse
from vonggac.video.rtsp.out_of_step import SHORTEST_SIGN, PassedOver, next_sign
from vonggac.video.rtsp.refusals import refusal
from vonggac.video.rtsp.setup import agreed_transport, wanted_transport
from vonggac.video.rtsp.sound import SoundTrack, choose_sound, in_words
from vonggac.video.rtsp.tracks import codec_of, depacketiser_for, nothing_to_record, recordable
from vonggac.video.rtsp.transport import LowerTransport, Transport, parse_session
from vonggac.video.stream import AccessUnit, SoundUnit, VideoParameters

State = Literal["new", "connecting", "playing", "closing", "closed"]

SHORTEST_SESSION_TIMEOUT_S, LONGEST_SESSION_TIMEOUT_S = 4, 3600
USER_AGENT = "VongGac"
MAX_URL = 4096
MAX_OUTPUT = 65_536
"""Bytes that wait to be sent: a camera that asks without reading our answers gets no further."""

_MAX_ATTEMPTS = 3  # of one request, each for another nonce
_DOLLAR = 0x24


@dataclass(slots=True)
class _Pending:
    method: str
    url: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    sequence: int = 0
    attempts: int = 0


class RtspSession:
    """The client's side of one session with one camera."""

    def __init__(
        self,
        address: CameraAddress,
        *,
        on_access_unit: Callable[[AccessUnit], None],
        client_ports: Callable[[], tuple[int, int]] | None = None,
        on_sound: Callable[[SoundUnit], None] | None = None,
        user_agent: str = USER_AGENT,
        cnonce: Callable[[], str] | None = None,
    ) -> None:
        """`client_ports` asks for pictures over UDP: called once for each track, it opens our ports of RTP and RTCP.

        `on_sound` asks for sound, where the camera has some that can be recorded; the pictures never depend on it.
        """
        self.address = address
        self.state: State = "new"
        self.description = StreamDescription()
        self.oddities: set[str] = set()
        self.bytes_received = 0
        self.last_sender_report: ArrivedReport | None = None
        self.transports: list[Transport] = []
        """What the camera answered to each SETUP: over UDP, where it sends from."""
        self._client_ports = client_ports
        self._on_access_unit = on_access_unit
        self._user_agent = user_agent
        self._auth: Authenticator | None = None
        if address.username is not None:
            options = {"cnonce": cnonce} if cnonce else {}
            self._auth = Authenticator(address.username, address.password or "", **options)
        self._authenticated = False
        self._output = bytearray()
        self._sequence = 0
        self._pending: _Pending | None = None
        self._methods: set[str] = set()
        self._session: str | None = None
        self._base = address.url
        self._track = address.url
        self._video: sdp.Media | None = None
        self._depacketiser: Depacketiser | None = None
        self._media_channel, self._rtcp_channel = 0, 1
        self._on_sound = on_sound
        self.sound: SoundTrack | None = None
        """The sound that is taken; None without."""
        self.asked_for_sound = False
        """True once the camera was asked for its sound, whatever came of it."""
        self._wanted_sound: tuple[str, SoundTrack] | None = None  # its address, from description to SETUP
        self._sound_channels = (-1, -1)
        self.next_keepalive_ns = 0
        """Monotonic clock at which the next sign of life is due, while playing."""
        self._keepalive_every_ns = DEFAULT_SESSION_TIMEOUT_S * 500_000_000
        self._passed_over = PassedOver()

    @property
    def lower(self) -> LowerTransport:
        """What carries the pictures."""
        return "tcp" if self._client_ports is None else "udp"

    @property
    def is_set_up(self) -> bool:
        """Whether the camera keeps a session of ours, which it must be told the end of."""
        return self.state != "closed" and (self._session is not None or self.state == "playing")

    @property
    def waits_for(self) -> str:
        """The method of the request that has no answer yet; empty when there is none."""
        return self._pending.method if self._pending is not None else ""

    # Counters: what the recorder's metrics are made of.

    @property
    def packets(self) -> int:
        """RTP packets taken."""
        return self._depacketiser.packets if self._depacketiser else 0

    @property
    def lost(self) -> int:
        """RTP packets missing by their sequence numbers."""
        return self._depacketiser.lost if self._depacketiser else 0

    @property
    def access_units(self) -> int:
        """Pictures handed over."""
        return self._depacketiser.access_units if self._depacketiser else 0

    @property
    def key_frames(self) -> int:
        """Key pictures handed over."""
        return self._depacketiser.key_frames if self._depacketiser else 0

    @property
    def last_access_unit_ns(self) -> int:
        """Monotonic clock of the last picture; 0 before the first."""
        return self._depacketiser.last_access_unit_ns if self._depacketiser else 0

    @property
    def parameters(self) -> VideoParameters | None:
        """What a decoder needs, as far as it is known now."""
        return self._depacketiser.parameters if self._depacketiser else None

    # What the connection calls.

    def start(self) -> None:
        """Begin: the first request is in the output."""
        self.state = "connecting"
        self._request("OPTIONS", self.address.url)

    @property
    def has_output(self) -> bool:
        """Whether something is to be sent."""
        return bool(self._output)

    def take_output(self) -> bytes:
        """Return what is to be sent, and forget it."""
        output = bytes(self._output)
        self._output.clear()
        return output

    def receive(self, view: memoryview, end: int, now_ns: int) -> int:
        """Take view[:end]; return how many bytes were used. The rest, at most 64 KiB, stands before the next bytes.

        RtspError for whatever ends the session. Pictures go to the callback before this returns.
        """
        pos = 0
        while pos < end:
            if self.state == "playing" and self._depacketiser is not None:
                pos = self._depacketiser.interleaved(view, pos, end, now_ns)
                if pos == end:
                    break
            if view[pos] in b"\r\n":  # empty lines: before a message `parse` would skip them, before a packet nobody
                pos += 1
                continue
            if view[pos] == _DOLLAR:
                after = pos + 4 + (view[pos + 2] << 8 | view[pos + 3]) if pos + 4 <= end else end + 1
                if after > end:
                    break
                self._interleaved(view, pos + 4, after, view[pos + 1], now_ns)
                pos = after
                continue
            try:
                message, pos = parse(view, pos, end)
            except RtspError:
                if self.state != "playing":
                    raise
                at, pos = pos, next_sign(view, pos, end, self._channels())
                self._note("bytes between packets passed over")
                self._passed_over.add(pos - at, self.access_units)
                if end - pos < SHORTEST_SIGN:
                    break
                continue
            if message is None:
                break
            if isinstance(message, Request):
                self._on_request(message)
            else:
                self._on_response(message, now_ns)
        return pos

    def keepalive_due(self, now_ns: int) -> bool:
        """Return whether the session would soon end without a sign of life from us."""
        return self.state == "playing" and now_ns >= self.next_keepalive_ns

    def send_keepalive(self, now_ns: int) -> None:
        """Put a sign of life in the output: GET_PARAMETER where the camera has it (RFC 2326 §10.8), else OPTIONS."""
        self.next_keepalive_ns = now_ns + self._keepalive_every_ns
        method = "GET_PARAMETER" if "GET_PARAMETER" in self._methods else "OPTIONS"
        self._request(method, self._base)

    def teardown(self) -> None:
        """Ask the camera to end the session; its answer sets the state to "closed". Pictures are no longer taken."""
        if self._session is None and self.state != "playing":
            self.state = "closed"
            return
        if self.state not in ("closing", "closed"):
            self.state = "closing"
            self._output.clear()  # what waits there may never go out
            self._request("TEARDOWN", self._base)

    def end_of_stream(self) -> None:
        """Hand over the last picture, if it is whole: nothing more will come."""
        if self.state == "playing" and self._depacketiser is not None:
            self._depacketiser.finish()

    # Requests and replies.

    def _request(self, method: str, url: str, *headers: tuple[str, str]) -> None:
        self._pending = _Pending(method, url, list(headers))
        self._send(self._pending)

    def _send(self, request: _Pending) -> None:
        self._sequence += 1
        request.sequence = self._sequence
        request.attempts += 1
        headers = [("CSeq", str(self._sequence)), ("User-Agent", self._user_agent), *request.headers]
        if self._session is not None:
            headers.append(("Session", self._session))
        if self._auth and (value := self._auth.authorization(request.method, request.url)):
            headers.append(("Authorization", value))
        self._put(build_request(request.method, request.url, headers))

    def _put(self, data: bytes) -> None:
        if len(self._output) + len(data) > MAX_OUTPUT:
            raise RtspError("protocol", "The camera asks more than it reads of our answers.")
        self._output += data

    def _on_request(self, request: Request) -> None:
        """Answer the camera: it may ask whether we live, and tell what we need not know."""
        headers = [("CSeq", quoted(request.headers.get("CSeq") or "0", 20))]
        if self._session is not None:
            headers.append(("Session", self._session))
        if request.method in ("OPTIONS", "GET_PARAMETER", "SET_PARAMETER"):
            self._put(build_response(200, "OK", [*headers, ("Public", "OPTIONS, GET_PARAMETER, SET_PARAMETER")]))
        else:
            self._put(build_response(501, "Not Implemented", headers))
        if request.method == "TEARDOWN":
            raise RtspError("closed", "The camera has ended the session.")

    def _on_response(self, response: Response, now_ns: int) -> None:
        pending = self._pending
        if pending is None:
            self._note("replies that nobody asked for")
            return
        number = re.match(r"\s*(\d{1,9})", response.headers.get("CSeq") or "")
        if number and int(number[1]) != pending.sequence:
            self._note("replies to other requests than ours")
            return
        if 100 <= response.status < 200:
            return
        self._pending = None
        if server := response.headers.get("Server"):
            self.description.server = quoted(server)
        if response.status == 401:
            self._on_unauthorised(response, pending)
            return
        if self._auth and self._auth.kind:
            self._authenticated = True
        if self.state == "playing":
            self._on_keepalive_reply(response, pending)
        elif self.state == "closing":
            self.state = "closed"
        elif self.state == "connecting":
            self._on_handshake_reply(response, pending, now_ns)

    def _on_unauthorised(self, response: Response, pending: _Pending) -> None:
        challenges = parse_challenges(response.headers.get_all("WWW-Authenticate"))
        if self.state == "closing" and (pending.attempts > 1 or not self._auth or not self._auth.accept(challenges)):
            self.state = "closed"
            return
        if self._auth is None:
            raise RtspError(
                "unauthorised",
                "The camera asks for a user name and password. Give them in its address: rtsp://NAME:PASSWORD@…",
            )
        answered = self._auth.kind is not None
        accepted = self._auth.accept(challenges)
        if accepted is None:
            schemes = ", ".join(sorted({quoted(one.scheme, 20) for one in challenges})) or "none"
            raise RtspError(
                "unauthorised",
                f"The camera offers no way to log in that we know (Digest, Basic); it offers: {schemes}.",
            )
        # A second try with a wrong password brings a camera nearer to locking us out: only where it says that the
        # nonce was old (RFC 7616 §3.3), or where the same password has been good before.
        stale = accepted.parameters.get("stale", "").lower() == "true"
        if (answered and not stale and not self._authenticated) or pending.attempts >= _MAX_ATTEMPTS:
            raise RtspError("unauthorised", "The camera refuses this user name or password.")
        self.description.authentication = self._auth.kind or "none"
        self._pending = pending
        self._send(pending)

    def _on_keepalive_reply(self, response: Response, pending: _Pending) -> None:
        if pending.method == "GET_PARAMETER" and response.status >= 400:
            # Announced, and not understood: from now on OPTIONS.
            self._note(f"GET_PARAMETER answered with {response.status}")
            self._methods.discard("GET_PARAMETER")
        elif response.status == 454:
            raise RtspError("closed", "The camera has forgotten the session (454).")

    def _on_handshake_reply(self, response: Response, pending: _Pending, now_ns: int) -> None:
        if pending.method == "OPTIONS":
            if response.status >= 300:
                self._note(f"OPTIONS answered with {response.status}")
            public = ",".join(response.headers.get_all("Public"))
            self._methods = {word.strip().upper() for word in public.split(",")}
            self._request("DESCRIBE", self.address.url, ("Accept", "application/sdp"))
            return
        if self._wanted_sound is not None and pending.url == self._wanted_sound[0] and pending.method == "SETUP":
            self._on_sound_setup(response)
            return
        if response.status >= 300:
            if pending.method == "PLAY" and response.status in (459, 460) and pending.url != self._track:
                self._request("PLAY", self._track, ("Range", "npt=0.000-"))
                return
            raise refusal(response, pending.method, self.lower)
        if pending.method == "DESCRIBE":
            self._on_description(response)
        elif pending.method == "SETUP":
            self._on_setup(response)
        elif pending.method == "PLAY":
            self._read_session(response.headers)
            self.next_keepalive_ns = now_ns + self._keepalive_every_ns
            self.state = "playing"

    def _on_description(self, response: Response) -> None:
        description = sdp.parse(response.body)
        base = sdp.base_url(self.address.url, response.headers)
        video = next((one for one in description.media if recordable(one)), None)
        self._video = video
        self.description.left_out = tuple(one.name for one in description.media if one is not video)
        if video is None:
            raise nothing_to_record(description)
        self._choose_sound(description, base)
        for name in self.description.left_out:
            self._note(f"{name} left out")
        self._base = sdp.control_url(base, description.control)
        # A track without an address of its own goes by that of the whole (RFC 2326 §C.3).
        self._track = sdp.control_url(base, video.control) if video.control else self._base
        if max(len(self._base), len(self._track)) > MAX_URL:
            raise RtspError("protocol", f"The camera gives a control address of over {MAX_URL} characters.")
        self.description.codec = codec_of(video)
        self.description.declared_fps = video.framerate
        if video.clock_rate not in (0, 90_000):
            self._note(f"a clock rate of {video.clock_rate} announced, taken for 90000")
        if not video.parameter_sets:
            self._note("no parameter sets in the description")
        self._request("SETUP", self._track, ("Transport", self._wanted_transport(0)))

    def _wanted_transport(self, track: int) -> str:
        return wanted_transport(track, self._client_ports() if self._client_ports is not None else None)

    def _agreed_channels(self, response: Response, track: int) -> tuple[int, int]:
        """Note what the camera answers to the SETUP of a track; return the channels of its packets."""
        agreed, channels = agreed_transport(response.headers.get("Transport"), self.lower, track, self._note)
        self.transports.append(agreed)
        return channels

    def _on_setup(self, response: Response) -> None:
        self._read_session(response.headers)
        self._media_channel, self._rtcp_channel = self._agreed_channels(response, 0)
        assert self._video is not None  # SETUP follows its description
        hand_over = self._on_access_unit if self._wanted_sound is None else self._picture_beside_sound
        self._depacketiser = depacketiser_for(self._video, self._media_channel, hand_over, self.oddities)
        if not self._ask_for_sound():
            self._play()

    def _play(self) -> None:
        self._request("PLAY", self._base, ("Range", "npt=0.000-"))

    # Sound: whatever is wrong with it, the pictures go on without.

    def _choose_sound(self, description: sdp.SessionDescription, base: str) -> None:
        chosen = choose_sound(description)
        if chosen is None:
            return
        if isinstance(chosen, str):
            self.description.sound_offered = chosen
            self.description.sound_refused = chosen if self._on_sound is not None else ""
            return
        media, parameters = chosen
        self.description.sound_offered = in_words(parameters)
        if self._on_sound is None:
            return
        address = sdp.control_url(base, media.control) if media.control else ""
        if not address or address == self._track or len(address) > MAX_URL:
            self._leave_sound("it has no control address of its own")
            return
        self._wanted_sound = address, SoundTrack(media, parameters, self._on_sound, self.oddities)
        self.description.left_out = tuple(one.name for one in description.media if one not in (self._video, media))

    def _ask_for_sound(self) -> bool:
        """Send the SETUP of the sound, where it is wanted and can be: its ports may be those that are one too many."""
        if self._wanted_sound is None:
            return False
        try:
            transport = self._wanted_transport(1)
        except RtspError as error:
            if error.reason != "refused":
                raise  # the connection itself has broken
            self._wanted_sound = None
            self._leave_sound(str(error))
            return False
        self.asked_for_sound = True
        self._request("SETUP", self._wanted_sound[0], ("Transport", transport))
        return True

    def _on_sound_setup(self, response: Response) -> None:
        assert self._wanted_sound is not None
        track = self._wanted_sound[1]
        self._wanted_sound = None
        if response.status >= 300:
            self._leave_sound(f"the camera refuses its SETUP ({response.status})")
        else:
            try:
                channels = self._agreed_channels(response, 1)
            except RtspError:
                self._leave_sound("the camera would send it another way than the pictures")
            else:
                if {self._media_channel, self._rtcp_channel} & set(channels):
                    self._leave_sound("the camera would send it on the channel of the pictures")
                else:
                    self.sound, self._sound_channels = track, channels
                    self.description.sound = track.parameters
        self._play()

    def _leave_sound(self, why: str) -> None:
        self.description.sound_refused = f"sound left out: {why}"
        self._note(self.description.sound_refused)

    def _picture_beside_sound(self, unit: AccessUnit) -> None:
        # The camera's stamp: who takes the picture may mend it.
        pts, arrived_ns = unit.pts, unit.arrived_ns
        self._on_access_unit(unit)
        if self.sound is not None:
            self.sound.picture_came(pts, arrived_ns)

    def _read_session(self, headers: Headers) -> None:
        """Read the Session header (RFC 2326 §12.37); cameras put spaces and quotes where none belong."""
        value = headers.get("Session")
        if not value:
            return
        name, given = parse_session(value)
        self._session = name or None
        timeout = DEFAULT_SESSION_TIMEOUT_S if given is None else given
        if not SHORTEST_SESSION_TIMEOUT_S <= timeout <= LONGEST_SESSION_TIMEOUT_S:
            self._note("a session time-out out of range")
            timeout = min(max(timeout, SHORTEST_SESSION_TIMEOUT_S), DEFAULT_SESSION_TIMEOUT_S)
        self.description.session_timeout_s = timeout
        self._keepalive_every_ns = timeout * 500_000_000

    # Media.

    def _interleaved(self, view: memoryview, start: int, stop: int, channel: int, now_ns: int) -> None:
        """Take an interleaved packet that the depacketiser's fast loop has left."""
        depacketiser = self._depacketiser
        if depacketiser is None or self.state == "closing":
            return
        if channel == self._media_channel:
            depacketiser.packet(view, start, stop, now_ns)
        elif channel == self._rtcp_channel:
            compound = rtcp.parse(view[start:stop])
            if report := compound.report:
                pts = depacketiser.presentation_time(report.rtp_timestamp)
                self.last_sender_report = ArrivedReport(report, now_ns, pts)
                if self.sound is not None:
                    self.sound.picture_report(report.ntp_unix_us, pts)
            if compound.bye:
                raise RtspError("closed", "The camera has ended the stream.")
        elif self.sound is not None and channel == self._sound_channels[0]:
            self.sound.packet(view, start, stop, now_ns)
        elif self.sound is not None and channel == self._sound_channels[1]:
            compound = rtcp.parse(view[start:stop])
            if compound.report:
                self.sound.report(compound.report)
            if compound.bye:
                self._note("the camera has ended its sound")
        else:
            self._note("packets on channels that were not set up")

    def _channels(self) -> bytes:
        """Return the channels on which packets come."""
        heard = self._sound_channels if self.sound is not None else ()
        return bytes((self._media_channel, self._rtcp_channel, *heard))

    def _note(self, oddity: str) -> None:
        if len(self.oddities) < 32:
            self.oddities.add(oddity)
