"""A camera that no one here wrote: GStreamer's RTSP server playing clips for ever, at their own pace.

Runs under Debian's own Python (its GStreamer bindings live there), imports nothing of this project:

    /usr/bin/python3 tests/peers/gst_camera.py --mounts 102 clip.mp4

Prints one line of JSON, `{"port": ..., "paths": ["/cam/1", ...]}`, once it listens on loopback, and ends when its
standard input is closed, so that it never outlives whoever started it. Each session begins with the clip's first
picture at PLAY (`--shared`: the sessions of a mount see the same moment; `--pipelines N`: so do the mounts, which N
pipelines feed: over a thousand cameras of one each are more than a small machine can play).

The clip is demultiplexed once; its groups of pictures are then handed to every mount by reference, a group at a time.
Only the segment they are shown in moves on with each loop, so timestamps run on and Python does nothing per picture.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import sys
from dataclasses import dataclass

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstApp, GstRtsp, GstRtspServer  # noqa: E402, F401 (GstApp is for appsrc)

ROLE = "viewer"
LIVE_LATENCY_MS = 0  # Nothing jitters between the clip and the socket.

PARSERS = {
    "video/x-h264": "h264parse ! video/x-h264,stream-format=avc,alignment=au",
    "video/x-h265": "h265parse ! video/x-h265,stream-format=hvc1,alignment=au",
}
SOUNDS = {
    "aac": "voaacenc bitrate=48000 ! aacparse ! rtpmp4gpay",
    "pcma": "audioresample ! audio/x-raw,rate=8000 ! alawenc ! rtppcmapay",
}
"""A beep begins with every second since PLAY."""
PAYLOADERS = {"video/x-h264": "rtph264pay", "video/x-h265": "rtph265pay"}


@dataclass(frozen=True)
class Clip:
    """A demultiplexed clip: its groups of pictures, ready to be pushed, and the length of one loop in nanoseconds."""

    caps: Gst.Caps
    groups: list[Gst.BufferList]
    loop_ns: int

    @property
    def codec(self) -> str:
        return str(self.caps.get_structure(0).get_name())


def read_clip(path: str) -> Clip:
    """Demultiplex the first H.264 or H.265 track of a file; SystemExit says when there is none."""
    demultiplexer = "matroskademux" if path.endswith(".mkv") else "qtdemux"
    for parser in PARSERS.values():
        pipeline = Gst.parse_launch(
            f"filesrc name=file ! {demultiplexer} name=tracks tracks.video_0 ! {parser} ! appsink name=taken sync=false"
        )
        pipeline.get_by_name("file").set_property("location", path)
        pipeline.set_state(Gst.State.PLAYING)
        samples = _pull_all(pipeline, pipeline.get_by_name("taken"))
        pipeline.set_state(Gst.State.NULL)
        if samples:
            return _cut_into_groups(samples)
    sys.exit(f"{path}: no H.264 or H.265 video could be read from it.")


def _pull_all(pipeline: Gst.Pipeline, sink: Gst.Element) -> list[Gst.Sample]:
    """Return every sample up to the end of the file; none when the track does not fit the parser."""
    samples: list[Gst.Sample] = []
    bus = pipeline.get_bus()
    while not sink.is_eos():
        if (sample := sink.try_pull_sample(Gst.SECOND // 10)) is not None:
            samples.append(sample)
        elif bus.pop_filtered(Gst.MessageType.ERROR) is not None:
            return []
    return samples


def _cut_into_groups(samples: list[Gst.Sample]) -> Clip:
    segment = samples[0].get_segment()
    buffers = [sample.get_buffer() for sample in samples]
    shown = [segment.to_running_time_full(Gst.Format.TIME, buffer.pts)[1] for buffer in buffers]
    picture_ns = round((max(shown) - min(shown)) / max(1, len(buffers) - 1)) or Gst.SECOND // 25
    # The n-th picture in decoding order leaves at the n-th moment of the screen; what is reordered is shown later.
    leaves = sorted(moment - min(shown) for moment in shown)
    delay = max(decoded - (moment - min(shown)) for decoded, moment in zip(leaves, shown, strict=True))
    groups: list[Gst.BufferList] = []
    for buffer, moment, decoded in zip(buffers, shown, leaves, strict=True):
        placed = buffer.copy()  # shares the coded picture itself
        placed.pts, placed.dts, placed.duration = moment - min(shown) + delay, decoded, picture_ns
        if not groups or not placed.has_flags(Gst.BufferFlags.DELTA_UNIT):
            groups.append(Gst.BufferList.new())
        groups[-1].insert(-1, placed)
    return Clip(samples[0].get_caps(), groups, leaves[-1] + picture_ns)


class Loop:
    """Feeds one session's appsrc: the next group of pictures whenever it asks for more."""

    def __init__(self, source: Gst.Element, clip: Clip) -> None:
        self._clip = clip
        self._next = 0
        source.set_property("caps", clip.caps)
        source.connect("need-data", self._push)

    def _push(self, source: Gst.Element, _bytes: int) -> None:
        turn, group = divmod(self._next, len(self._clip.groups))
        self._next += 1
        segment = Gst.Segment()
        segment.init(Gst.Format.TIME)
        segment.base = turn * self._clip.loop_ns
        sample = Gst.Sample.new(None, self._clip.caps, segment, None)
        sample.set_buffer_list(self._clip.groups[group])
        source.push_sample(sample)


class CameraFactory(GstRtspServer.RTSPMediaFactory):
    """One mount: makes the pipeline of each session (of all its sessions when shared)."""

    def __init__(
        self,
        clip: Clip,
        *,
        shared: bool,
        in_band: bool,
        mtu: int,
        udp: bool,
        tcp: bool,
        sound: str,
        key: str | None = None,
    ) -> None:
        super().__init__()
        self._key = key
        self._clip = clip
        # Real cameras repeat the parameter sets before each key frame, bundled; without it only the SDP has them.
        # (Where a key picture has several slices, this payloader repeats them before each slice.)
        repeat = "config-interval=-1 aggregate-mode=zero-latency" if in_band else "config-interval=0"
        self._launch = (
            "( appsrc name=clip format=time handle-segment-change=true max-bytes=1 "
            f"! {PAYLOADERS[clip.codec]} name=pay0 pt=96 mtu={mtu} {repeat} "
        )
        if sound:
            self._launch += (
                "audiotestsrc wave=ticks samplesperbuffer=1024 ! audio/x-raw,rate=16000,channels=1 "
                f"! {SOUNDS[sound]} name=pay1 pt={97 if sound == 'aac' else 8} "
            )
        self._launch += ")"
        self.set_shared(shared)
        self.set_latency(LIVE_LATENCY_MS)
        protocols = GstRtsp.RTSPLowerTrans.UNKNOWN
        for wanted, lower in ((tcp, GstRtsp.RTSPLowerTrans.TCP), (udp, GstRtsp.RTSPLowerTrans.UDP)):
            if wanted:
                protocols |= lower
        self.set_protocols(protocols)

    def do_gen_key(self, url: GstRtsp.RTSPUrl) -> str:
        # Sessions with the same key see the same media: without ours, those of one address.
        return self._key or str(url.abspath)

    def do_create_element(self, _url: GstRtsp.RTSPUrl) -> Gst.Element:
        return Gst.parse_launch(self._launch)

    def do_configure(self, media: GstRtspServer.RTSPMedia) -> None:
        # Overridden, the factory no longer hands on what it allows by itself.
        media.set_protocols(self.get_protocols())
        # The loop lives as long as the appsrc that it is connected to.
        Loop(media.get_element().get_by_name("clip"), self._clip)


def protect(auth: GstRtspServer.RTSPAuth, user: str, password: str, method: str) -> None:
    """Let only this user in, by "basic" or "digest" (the bindings take one method, not both at once)."""
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", ROLE)
    if method == "basic":
        auth.add_basic(base64.b64encode(f"{user}:{password}".encode()).decode(), token)
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.BASIC)
    else:
        auth.add_digest(user, password, token)
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)


def let_anyone_in(auth: GstRtspServer.RTSPAuth) -> None:
    """Ask for no name: the server wants to know what a stranger may do."""
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", ROLE)
    auth.set_default_token(token)


def permissions() -> GstRtspServer.RTSPPermissions:
    """Return what the one user may do: see that a mount is there, and play it."""
    allowed = GstRtspServer.RTSPPermissions()
    for verb in ("media.factory.access", "media.factory.construct"):
        allowed.add_permission_for_role(ROLE, verb, True)
    return allowed


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "clips", nargs="+", help="files with H.264 or H.265; mount N plays clip N, from the first again"
    )
    parser.add_argument("--mounts", type=int, help="cameras /cam/1 to /cam/N (default: one a clip)")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--user", help="ask for this user; the password is in the environment as CAMERA_PASSWORD")
    parser.add_argument("--auth", choices=["digest", "basic"], default="digest")
    parser.add_argument("--shared", action="store_true", help="sessions of a mount see the same moment")
    parser.add_argument("--pipelines", type=int, default=0, help="so many feed all mounts (default: one a session)")
    parser.add_argument("--sets-in-sdp-only", action="store_true", help="no parameter sets in the stream itself")
    parser.add_argument("--udp", action="store_true", help="offer UDP as well as TCP")
    parser.add_argument("--udp-only", action="store_true", help="offer UDP and refuse TCP")
    parser.add_argument("--tls", metavar="FILE", help="certificate and key (PEM): everything is encrypted (rtsps)")
    parser.add_argument("--sound", choices=list(SOUNDS), default="", help="a second track: a beep every second")
    parser.add_argument("--mtu", type=int, default=1400, help="largest RTP packet in bytes")
    options = parser.parse_args()

    Gst.init(None)
    clips = {path: read_clip(path) for path in dict.fromkeys(options.clips)}
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(options.port))
    server.set_backlog(1024)
    if options.user or options.tls:
        auth = GstRtspServer.RTSPAuth()
        if options.tls:
            auth.set_tls_certificate(Gio.TlsCertificate.new_from_file(options.tls))
        if options.user:
            protect(auth, options.user, os.environ["CAMERA_PASSWORD"], options.auth)
        else:
            let_anyone_in(auth)
        server.set_auth(auth)
    mounts = server.get_mount_points()
    paths = [f"/cam/{number}" for number in range(1, (options.mounts or len(options.clips)) + 1)]
    factories = []
    for number in range(options.pipelines or len(paths)):
        factory = CameraFactory(
            clips[options.clips[number % len(options.clips)]],
            shared=options.shared or bool(options.pipelines),
            in_band=not options.sets_in_sdp_only,
            mtu=options.mtu,
            udp=options.udp or options.udp_only,
            tcp=not options.udp_only,
            sound=options.sound,
            key=f"pipeline {number}" if options.pipelines else None,
        )
        if options.user or options.tls:
            factory.set_permissions(permissions())
        factories.append(factory)
    for number, path in enumerate(paths):
        mounts.add_factory(path, factories[number % len(factories)])

    loop = GLib.MainLoop()
    if server.attach(None) == 0:
        sys.exit(f"Port {options.port} of 127.0.0.1 cannot be listened on.")
    # Sessions whose client went away without a word are forgotten at their time-out, as cameras do.
    GLib.timeout_add_seconds(5, lambda: server.get_session_pool().cleanup() >= 0)
    GLib.io_add_watch(sys.stdin.fileno(), GLib.PRIORITY_DEFAULT, GLib.IO_HUP | GLib.IO_IN, lambda *_: loop.quit())
    print(json.dumps({"port": server.get_bound_port(), "paths": paths}), flush=True)
    loop.run()


if __name__ == "__main__":
    main()
