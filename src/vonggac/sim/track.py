"""A packetised clip on the endless time line of a camera that runs whether or not anyone watches."""

from __future__ import annotations

from base64 import b64encode
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from vonggac.sim.clips import Clip
from vonggac.sim.packetise import NAL_SPS, PAYLOAD_TYPE, FramedPicture, framed
from vonggac.video.stream import VIDEO_TIMESCALE


@dataclass(frozen=True, slots=True)
class Track:
    """A clip ready to be sent; picture numbers count on over the loops and never go back.

    All times are 90 kHz ticks on the camera's own time line.
    """

    clip: Clip
    pictures: tuple[FramedPicture, ...]
    due: tuple[int, ...]
    key_before: tuple[int, ...]
    """For each picture of the clip the index of the key frame that it needs."""
    steps: tuple[tuple[FramedPicture, int, int, int, int], ...]
    """The pictures as they are sent: picture, due, pts, packets, bytes; so that a viewer costs little."""

    @classmethod
    def of(cls, clip: Clip) -> Track:
        """Packetise the clip: a second or so of work for some megabytes."""
        key = 0
        keys: list[int] = []
        for index, picture in enumerate(clip.pictures):
            key = index if picture.key else key
            keys.append(key)
        pictures = tuple(framed(picture.nals) for picture in clip.pictures)
        return cls(
            clip,
            pictures,
            tuple(picture.due for picture in clip.pictures),
            tuple(keys),
            tuple(
                (picture, coded.due, coded.pts, len(picture.packets), len(picture.blob))
                for picture, coded in zip(pictures, clip.pictures, strict=True)
            ),
        )

    def latest(self, ticks: int) -> int:
        """Return the number of the picture last due at the moment `ticks`."""
        loops, within = divmod(ticks, self.clip.duration)
        return loops * len(self.due) + bisect_right(self.due, within) - 1

    def key_at_or_before(self, number: int) -> int:
        """Return the number of the key frame that picture `number` needs."""
        loops, index = divmod(number, len(self.due))
        return loops * len(self.due) + self.key_before[index]

    def is_key(self, number: int) -> bool:
        """Say whether a viewer can begin with this picture."""
        index = number % len(self.due)
        return self.key_before[index] == index

    def due_at(self, number: int) -> int:
        """Return when the picture is to be sent."""
        loops, index = divmod(number, len(self.due))
        return loops * self.clip.duration + self.due[index]

    def seen_at(self, number: int) -> int:
        """Return the picture's presentation time."""
        loops, index = divmod(number, len(self.due))
        return loops * self.clip.duration + self.clip.pictures[index].pts

    def since_key(self, number: int) -> int:
        """Return how many pictures stand between this one and the key frame that it needs."""
        index = number % len(self.due)
        return index - self.key_before[index]

    def size(self, first: int, last: int) -> int:
        """Return the bytes of the pictures from `first` to `last`, both sent."""
        count = len(self.pictures)
        return sum(len(self.pictures[number % count].blob) for number in range(first, last + 1))

    @property
    def largest(self) -> int:
        """Bytes of the largest picture as it travels."""
        return max(len(picture.blob) for picture in self.pictures)

    @property
    def bit_rate(self) -> float:
        """Bits a second on average, headers included."""
        total = sum(len(picture.blob) for picture in self.pictures)
        return total * 8 * VIDEO_TIMESCALE / self.clip.duration

    def longest_step(self) -> int:
        """Return the longest time between two pictures."""
        return max(later - earlier for earlier, later in pairwise((*self.due, self.clip.duration)))

    def description(self, address: str, session: int, parameter_sets: Sequence[bytes] = ()) -> str:
        """Return the session description (RFC 4566; the H.264 parameters by RFC 6184 §8.2.1).

        `parameter_sets` stand in the place of the clip's own while other pictures are shown.
        """
        clip = self.clip
        units = parameter_sets or clip.parameter_sets
        sps = next(unit for unit in units if unit[0] & 0x1F == NAL_SPS)
        sets = ",".join(b64encode(unit).decode() for unit in units)
        family = "IP6" if ":" in address else "IP4"
        rate = float(clip.frame_rate)
        return "\r\n".join(
            (
                "v=0",
                f"o=- {session} 1 IN {family} {address}",
                "s=Camera",
                f"c=IN {family} {'::' if family == 'IP6' else '0.0.0.0'}",  # noqa: S104 (RFC 2326 §C.1.7)
                "t=0 0",
                "a=control:*",
                "a=range:npt=now-",
                f"m=video 0 RTP/AVP {PAYLOAD_TYPE}",
                f"b=AS:{max(1, round(self.bit_rate / 1000))}",
                f"a=rtpmap:{PAYLOAD_TYPE} H264/{VIDEO_TIMESCALE}",
                f"a=fmtp:{PAYLOAD_TYPE} packetization-mode=1;profile-level-id={sps[1:4].hex().upper()};"
                f"sprop-parameter-sets={sets}",
                f"a=framerate:{rate:.6g}",
                "a=control:trackID=0",
                "",
            )
        )
