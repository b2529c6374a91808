"""How many nanoseconds of Python one RTP packet costs: `python bench/depacketise.py [--profile]`.

A picture is cut into FU-A fragments as cameras do (payloads of 1,400 bytes), framed as RTSP interleaves them and read
back in pieces of one pause; nothing touches a socket. Two loads: 102 cameras of 2 Mbit/s and 1,124 of 0.5 Mbit/s.
"""

from __future__ import annotations

import argparse
import cProfile
import struct
import time
from collections import deque

from vonggac.video.rtsp.h264 import H264Depacketiser
from vonggac.video.stream import AccessUnit

PAYLOAD = 1400
FPS = 15
SETS = (bytes.fromhex("6742c01fdb014016ec0440000003004000000783c60c9200"), bytes.fromhex("68cb83cb20"))


def stream(bits_per_s: int, seconds: int) -> bytearray:
    """Return `seconds` of interleaved packets: a key picture of four times the size every 2 s."""
    out = bytearray()
    sequence = 0
    for number in range(seconds * FPS):
        key = number % (2 * FPS) == 0
        size = bits_per_s // 8 // FPS * (4 if key else 1)
        header, body = (0x65 if key else 0x41), b"\x88" + b"\x5a" * size
        for at in range(0, len(body), PAYLOAD - 2):
            chunk = body[at : at + PAYLOAD - 2]
            last = at + PAYLOAD - 2 >= len(body)
            flags = (0x80 if at == 0 else 0) | (0x40 if last else 0)
            packet = struct.pack(
                ">BBHIIBB", 0x80, 0x80 * last + 96, sequence, number * 6000, 7, 0x7C, flags | header & 31
            )
            out += struct.pack(">BBH", 0x24, 0, len(packet) + len(chunk)) + packet + chunk
            sequence = sequence + 1 & 0xFFFF
    return out


def measure(bits_per_s: int, pause_s: float, rounds: int = 5) -> tuple[float, int, int]:
    """Return (best ns a packet, packets, pictures) of a minute read in pieces of one pause."""
    view = memoryview(stream(bits_per_s, 60))
    piece = int(bits_per_s / 8 * pause_s)
    best, packets, pictures = float("inf"), 0, 0
    for _ in range(rounds):
        group: deque[AccessUnit] = deque(maxlen=2 * FPS)  # as the recorder holds the group at hand, no more
        depacketiser = H264Depacketiser(group.append, parameter_sets=SETS)
        begin = time.perf_counter_ns()
        pos = 0
        for end in range(piece, len(view) + piece, piece):
            pos = depacketiser.interleaved(view, pos, min(end, len(view)), begin)
        spent = time.perf_counter_ns() - begin
        packets, pictures = depacketiser.packets, depacketiser.access_units
        best = min(best, spent / packets)
    return best, packets, pictures


def main() -> None:
    """Print one line for each load."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", action="store_true", help="show where the time goes")
    arguments = parser.parse_args()
    if arguments.profile:
        cProfile.run("measure(2_000_000, 0.2, 1)", sort="tottime")
        return
    for cameras, bits_per_s in ((102, 2_000_000), (1124, 500_000)):
        ns, packets, pictures = measure(bits_per_s, 0.2)
        core = ns * 1e-9 * packets / 60 * cameras
        print(
            f"{bits_per_s / 1e6} Mbit/s, read every 200 ms: {ns:.0f} ns a packet, {1e9 / ns:,.0f} packets/s, "
            f"{ns * packets / pictures / 1000:.1f} µs a picture; {cameras} cameras: {core:.1%} of a core"
        )


if __name__ == "__main__":
    main()
