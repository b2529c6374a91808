"""What the kinds of technical faults are called on the pages. A kind without words is shown by its own name."""

from __future__ import annotations

from vonggac.core.i18n import N_

FAULT_WORDS: dict[str, str] = {
    "volume_full": N_("A disk for recordings is full"),
    "volume_missing": N_("A disk for recordings is missing"),
    "volume_read_only": N_("A disk for recordings can only be read"),
    "volume_failing": N_("A disk for recordings is failing"),
    "no_volume": N_("No disk takes recordings"),
    "disk_slow": N_("The disk is too slow for the cameras"),
    "below_minimum": N_("Recordings are deleted before their minimum days are over"),
    "held_footage_fills_disk": N_("Held recordings fill the disk"),
    "deleted_files_stay": N_("Deleted recordings cannot be removed from the disk"),
    "evidence_damaged": N_("Held recordings are damaged"),
    "server_clock_doubted": N_("The server's clock has leapt forward"),
    "camera_clock_wrong": N_("The clock of a camera is wrong"),
}
OTHER_FAULT = N_("Fault: {kind}")
