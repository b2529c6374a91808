"""The record of a camera: what an inventory, a contract and an auditor ask for.

Place in words, owner, supplier and contract, guarantee, the certificate of QCVN 135:2024/BTTTT (the technical
regulation on the security of IP cameras, binding from 1 January 2026), and remarks. Organisations and posts are named,
not persons.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta

from vonggac.core import text
from vonggac.core.errors import Invalid
from vonggac.core.i18n import N_

RecordValue = str | date | None

SOON = timedelta(days=60)
"""So long before its end a guarantee or a certificate is spoken of: time enough to have a fault mended under it."""
_FIRST_DAY = date(1990, 1, 1)
_LAST_DAY = date(2200, 1, 1)


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of a camera as a thing somebody bought; the names are those of its columns."""

    place: str = ""
    owner: str = ""
    supplier: str = ""
    contract: str = ""
    guarantee_until: date | None = None
    certificate: str = ""
    certificate_until: date | None = None
    installed_on: date | None = None
    remarks: str = ""


LENGTHS = {"place": 300, "owner": 200, "supplier": 200, "contract": 100, "certificate": 100, "remarks": 4000}
"""Characters that a text may have."""
LABELS = {
    "place": N_("Place"),
    "owner": N_("Owner"),
    "supplier": N_("Supplier"),
    "contract": N_("Contract"),
    "guarantee_until": N_("Guarantee until"),
    "certificate": N_("Certificate QCVN 135"),
    "certificate_until": N_("Certificate valid until"),
    "installed_on": N_("Installed on"),
    "remarks": N_("Remarks"),
}
"""What the fields are called, in their order; every field has one."""
NAMES = tuple(one.name for one in fields(Record))


def field_value(name: str, written: str) -> RecordValue:
    """Return what somebody wrote for a field as it is stored; Invalid says what is wrong with it.

    A day is written 2027-05-31 or 31/05/2027; nothing written is no day.
    """
    if name not in LENGTHS:
        return _day(written)
    # Remarks may have lines; every other text is one.
    said = (
        "\n".join(map(text.normalise, written.splitlines())).strip() if name == "remarks" else text.normalise(written)
    )
    if len(said) > LENGTHS[name]:
        raise Invalid(
            N_("“{field}” is {length} characters long; at most {most} are kept."),
            field=LABELS[name],
            length=len(said),
            most=LENGTHS[name],
        )
    if not said.replace("\n", "").isprintable():
        raise Invalid(N_("“{field}” holds an unprintable character. Type it anew."), field=LABELS[name])
    return said


def read_record(written: Mapping[str, str]) -> Record:
    """Return the record of texts by field; those that are left out are empty. Invalid as `field_value`."""
    values: dict[str, object] = {name: field_value(name, written.get(name, "")) for name in NAMES}
    return Record(**values)  # type: ignore[arg-type]


def written(value: RecordValue) -> str:
    """Return a value as it may be read again."""
    return value.isoformat() if isinstance(value, date) else value or ""


def ends(until: date | None, today: date) -> str:
    """Return `over` when the last day has passed, `soon` when it is near, else ""."""
    if until is None:
        return ""
    return "over" if until < today else "soon" if until - today <= SOON else ""


def _day(written: str) -> date | None:
    said = written.strip()
    if not said:
        return None
    for form in ("%Y-%m-%d", "%d/%m/%Y"):
        try:
            day = datetime.strptime(said, form).date()  # noqa: DTZ007 (a day has no zone)
        except ValueError:
            continue
        if _FIRST_DAY <= day < _LAST_DAY:
            return day
    raise Invalid(N_("A day is written 31/05/2027 or 2027-05-31, not {written}."), written=repr(said[:40]))
