"""What is asked of a camera and what it answers: SOAP 1.2, WS-Security, WS-BaseNotification, as ONVIF uses them.

Sources: ONVIF Core Specification §5 (services, authentication), §8.1 (system time), §9 (events); OASIS Web Services
Security UsernameToken Profile 1.1.1 §3.1; OASIS WS-BaseNotification 1.3.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.sax.saxutils import escape

from vonggac.cameras.address import Credentials
from vonggac.cameras.onvif.errors import OnvifError, Reason
from vonggac.cameras.onvif.soap import BadXml, Element, read

DEVICE = "http://www.onvif.org/ver10/device/wsdl"
EVENTS = "http://www.onvif.org/ver10/events/wsdl"
NOTIFICATION = "http://docs.oasis-open.org/wsn/b-2"
ADDRESSING = "http://www.w3.org/2005/08/addressing"
_SECURITY = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
_UTILITY = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
_DIGEST = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordDigest"
_BASE64 = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary"

ACTIONS = {
    "GetSystemDateAndTime": f"{DEVICE}/GetSystemDateAndTime",
    "GetServices": f"{DEVICE}/GetServices",
    "GetCapabilities": f"{DEVICE}/GetCapabilities",
    "CreatePullPointSubscription": f"{EVENTS}/EventPortType/CreatePullPointSubscriptionRequest",
    "PullMessages": f"{EVENTS}/PullPointSubscription/PullMessagesRequest",
    "Renew": "http://docs.oasis-open.org/wsn/bw-2/SubscriptionManager/RenewRequest",
    "Unsubscribe": "http://docs.oasis-open.org/wsn/bw-2/SubscriptionManager/UnsubscribeRequest",
}
MOST_MESSAGES = 100
"""Asked for in one answer, and taken of one."""
_LONGEST_WORD = 200
_MOST_ITEMS = 16
_UNAUTHORISED = ("NotAuthorized", "FailedAuthentication", "InvalidSecurity", "FailedCheck")
_UNSUPPORTED = ("ActionNotSupported", "OptionalActionNotImplemented", "UnsupportedPolicyRequest")
_GONE = ("ResourceUnknownFault", "NoSubscription", "UnknownSubscription", "InvalidMessageContentExpressionFault")
_STAMP = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?")


@dataclass(frozen=True, slots=True)
class Notification:
    """One message of a camera."""

    topic: str
    """Without the prefixes of its namespaces: RuleEngine/CellMotionDetector/Motion."""
    operation: str
    """Initialized, Changed, Deleted; empty where it says nothing."""
    source: tuple[tuple[str, str], ...]
    """Which input or rule it speaks of."""
    data: dict[str, str]


@dataclass(frozen=True, slots=True)
class Subscribed:
    """A subscription: where it is, for how long, and what has to be said with each request to it."""

    address: str
    seconds: float | None
    """Until it ends, by the camera's own clock; None where it does not say."""
    reference: str


def envelope(action: str, body: str, *, to: str = "", reference: str = "", security: str = "") -> bytes:
    """Return a request; `reference` is what `Subscribed` asks to have with it, `security` a token."""
    addressing = f'<a:Action s:mustUnderstand="1">{ACTIONS[action]}</a:Action>'
    if to:
        addressing += f"<a:To>{escape(to)}</a:To>"
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
        f'xmlns:a="{ADDRESSING}"><s:Header>{addressing}{reference}{security}</s:Header>'
        f"<s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def username_token(credentials: Credentials, nonce: bytes, created_us: int) -> str:
    """Return a security header: the digest of nonce, time and password, never the password.

    `created_us`: by the camera's own clock, which refuses what seems old.
    """
    created = datetime.fromtimestamp(created_us // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    digest = hashlib.sha1(nonce + created.encode() + credentials.password.encode(), usedforsecurity=False).digest()
    return (
        f'<w:Security s:mustUnderstand="1" xmlns:w="{_SECURITY}" xmlns:u="{_UTILITY}"><w:UsernameToken>'
        f"<w:Username>{escape(credentials.user)}</w:Username>"
        f'<w:Password Type="{_DIGEST}">{base64.b64encode(digest).decode()}</w:Password>'
        f'<w:Nonce EncodingType="{_BASE64}">{base64.b64encode(nonce).decode()}</w:Nonce>'
        f"<u:Created>{created}</u:Created></w:UsernameToken></w:Security>"
    )


def get_system_date_and_time() -> str:
    """Ask what time the camera thinks it is; answered without log-in."""
    return f'<GetSystemDateAndTime xmlns="{DEVICE}"/>'


def get_services() -> str:
    """Ask where the services are."""
    return f'<GetServices xmlns="{DEVICE}"><IncludeCapability>false</IncludeCapability></GetServices>'


def get_capabilities() -> str:
    """The same of cameras that do not know GetServices."""
    return f'<GetCapabilities xmlns="{DEVICE}"><Category>Events</Category></GetCapabilities>'


def create_subscription(seconds: int) -> str:
    """Ask for a subscription to every event; filters are understood too differently to rely on one."""
    return (
        f'<CreatePullPointSubscription xmlns="{EVENTS}">'
        f"<InitialTerminationTime>PT{seconds}S</InitialTerminationTime></CreatePullPointSubscription>"
    )


def pull_messages(seconds: int) -> str:
    """Ask for what has happened; the camera waits so long for something to happen."""
    return (
        f'<PullMessages xmlns="{EVENTS}"><Timeout>PT{seconds}S</Timeout>'
        f"<MessageLimit>{MOST_MESSAGES}</MessageLimit></PullMessages>"
    )


def renew(seconds: int) -> str:
    """Ask for a subscription to go on."""
    return f'<Renew xmlns="{NOTIFICATION}"><TerminationTime>PT{seconds}S</TerminationTime></Renew>'


def unsubscribe() -> str:
    """Take leave."""
    return f'<Unsubscribe xmlns="{NOTIFICATION}"/>'


def body_of(data: bytes) -> Element:
    """Return the body of an answer; OnvifError for a fault and for what is no SOAP."""
    try:
        root = read(data)
    except BadXml as error:
        raise OnvifError(Reason.PROTOCOL, f"The camera's answer makes no sense: {error}.") from None
    body = next((child for child in root.children if child.name == "Body"), None)
    if root.name != "Envelope" or body is None:
        raise OnvifError(Reason.PROTOCOL, "The camera's answer makes no sense: it is no SOAP envelope.")
    fault = next((child for child in body.children if child.name == "Fault"), None)
    if fault is not None:
        raise _refusal(fault)
    return body


def _refusal(fault: Element) -> OnvifError:
    codes = " ".join([*(code.text for code in fault.every("Value")), *(part.name for part in fault.below())])
    words = _short(fault.word("Text") or fault.word("faultstring") or codes)
    for names, reason in (
        (_UNAUTHORISED, Reason.UNAUTHORISED),
        (_UNSUPPORTED, Reason.UNSUPPORTED),
        (_GONE, Reason.GONE),
    ):
        if any(name in codes for name in names):
            return OnvifError(reason, f"The camera refuses: {words}")
    return OnvifError(Reason.PROTOCOL, f"The camera refuses: {words}")


def camera_time_us(body: Element) -> int | None:
    """Return what the camera's clock reads, UTC; None where it does not say (or says a time that never was)."""
    day, time = body.first("UTCDateTime", "Date"), body.first("UTCDateTime", "Time")
    if day is None or time is None:
        return None
    try:
        year, month, date = (int(day.word(name)) for name in ("Year", "Month", "Day"))
        hour, minute, second = (int(time.word(name)) for name in ("Hour", "Minute", "Second"))
        moment = datetime(year, month, date, hour, minute, min(second, 59), tzinfo=UTC)  # a leap second is the 60th
    except (ValueError, OverflowError):
        return None
    # At either end of the calendar the next second, or the one before, could not be written any more.
    return int(moment.timestamp()) * 1_000_000 if 1970 <= year < 9999 else None


def events_address(body: Element) -> str:
    """Return where the event service is; OnvifError when there is none."""
    for service in body.every("Service"):
        if service.word("Namespace").rstrip("/") == EVENTS and (found := service.word("XAddr")):
            return found
    if found := body.word("Capabilities", "Events", "XAddr"):
        return found
    raise OnvifError(Reason.UNSUPPORTED, "The camera has no event service.")


def subscribed(body: Element) -> Subscribed:
    """Return the subscription that was made; OnvifError when it says not where."""
    address = body.word("SubscriptionReference", "Address")
    if not address:
        raise OnvifError(Reason.PROTOCOL, "The camera's answer makes no sense: a subscription without an address.")
    parameters = body.first("SubscriptionReference", "ReferenceParameters")
    reference = "".join(child.written() for child in parameters.children) if parameters is not None else ""
    return Subscribed(address, remaining(body), reference if len(reference) < 4096 else "")


def remaining(body: Element) -> float | None:
    """Return for how many seconds a subscription lasts; None where the answer does not say."""
    now, end = _stamp(body.word("CurrentTime")), _stamp(body.word("TerminationTime"))
    return (end - now).total_seconds() if now is not None and end is not None else None


def notifications(body: Element) -> list[Notification]:
    """Return the messages of an answer, of those without a meaning none."""
    found = []
    for message in body.every("NotificationMessage"):
        topic = "/".join(step.rpartition(":")[2] for step in message.word("Topic").split("/"))
        told = message.first("Message", "Message")
        if not topic or told is None or len(topic) > _LONGEST_WORD:
            continue
        source, data = (_items(part) if (part := told.first(name)) is not None else {} for name in ("Source", "Data"))
        operation = _short(told.attributes.get("PropertyOperation", ""))
        found.append(Notification(topic, operation, tuple(sorted(source.items())), data))
        if len(found) == MOST_MESSAGES:
            break
    return found


def _items(part: Element) -> dict[str, str]:
    items: dict[str, str] = {}
    for item in part.every("SimpleItem"):
        if len(items) < _MOST_ITEMS:
            items[_short(item.attributes.get("Name", ""))] = _short(item.attributes.get("Value", ""))
    return items


def _stamp(text: str) -> datetime | None:
    match = _STAMP.fullmatch(text.strip()[:40])
    if match is None:
        return None
    try:
        return datetime(*(int(part) for part in match.groups()), tzinfo=UTC)  # type: ignore[misc, arg-type]
    except ValueError:
        return None


def _short(text: str) -> str:
    return " ".join(text.split())[:_LONGEST_WORD]
