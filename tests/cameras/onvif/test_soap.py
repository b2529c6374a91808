"""XML from cameras: read as it is meant, refused where it is dangerous, bounded whatever it is."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vonggac.cameras.onvif import messages, soap
from vonggac.cameras.onvif.errors import OnvifError, Reason
from vonggac.cameras.onvif.soap import BadXml, Element, read

BOMB = (
    b"""<!DOCTYPE lolz [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]><s:Envelope>&b;</s:Envelope>"""
)
OUTSIDE = b"""<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><Envelope><Body>&e;</Body></Envelope>"""
HIKVISION_LIKE = b"""<?xml version="1.0" encoding="UTF-8"?>
<env:Envelope xmlns:env="http://www.w3.org/2003/05/soap-envelope" xmlns:wsnt="http://docs.oasis-open.org/wsn/b-2"
 xmlns:tev="http://www.onvif.org/ver10/events/wsdl" xmlns:tt="http://www.onvif.org/ver10/schema">
<env:Body><tev:PullMessagesResponse><tev:CurrentTime>2026-11-24T05:00:00Z</tev:CurrentTime>
<tev:TerminationTime>2026-11-24T05:10:00Z</tev:TerminationTime><wsnt:NotificationMessage>
<wsnt:Topic Dialect="d">tns1:RuleEngine/CellMotionDetector/Motion</wsnt:Topic><wsnt:Message>
<tt:Message UtcTime="2026-11-24T05:00:00Z" PropertyOperation="Changed"><tt:Source>
<tt:SimpleItem Name="Rule" Value="MyMotionDetectorRule"/></tt:Source><tt:Data>
<tt:SimpleItem Name="IsMotion" Value="true"/></tt:Data></tt:Message></wsnt:Message></wsnt:NotificationMessage>
</tev:PullMessagesResponse></env:Body></env:Envelope>"""


@pytest.mark.parametrize("data", [BOMB, OUTSIDE, b"<!DOCTYPE x><x/>"])
def test_a_document_type_ends_the_reading_before_anything_is_expanded_or_fetched(data: bytes) -> None:
    with pytest.raises(BadXml, match="document type"):
        read(data)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"<a>" * 200 + b"</a>" * 200, "too many parts"),
        (b"<a>" + b"<b/>" * 20_000 + b"</a>", "too many parts"),
        (b"<a " + b" ".join(b'x%d="1"' % n for n in range(200)) + b"/>", "too many parts"),
        (b"<a>" + b"x" * soap.MAX_BYTES + b"</a>", "too long"),
        (b"<a><?php evil ?></a>", "processing instruction"),
        (b"<a>&e;</a>", "no XML"),
        (b"", "no XML"),
        (b'<?xml version="1.0" encoding="klingon"?><a/>', "no XML|encoding"),
    ],
)
def test_what_is_too_much_or_no_xml_is_refused_in_words(data: bytes, why: str) -> None:
    with pytest.raises(BadXml, match=why):
        read(data)


def test_names_are_read_without_their_prefixes_and_texts_without_spaces_around() -> None:
    found = read(b'<x:a xmlns:x="urn:1"><x:b k="v"> word </x:b><b xmlns="urn:2">other</b></x:a>')
    assert [(one.name, one.namespace, one.text) for one in found.below()] == [
        ("b", "urn:1", "word"), ("b", "urn:2", "other"),
    ]  # fmt: skip
    assert found.word("b") == "word"
    assert found.first("b", "c") is None


def test_a_message_is_read_as_a_camera_in_the_field_writes_it() -> None:
    (said,) = messages.notifications(messages.body_of(HIKVISION_LIKE))
    assert said.topic == "RuleEngine/CellMotionDetector/Motion"
    assert said.operation == "Changed"
    assert said.source == (("Rule", "MyMotionDetectorRule"),)
    assert said.data == {"IsMotion": "true"}
    assert messages.remaining(messages.body_of(HIKVISION_LIKE)) == 600


def test_a_fault_says_why() -> None:
    fault = (
        b'<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Body><e:Fault><e:Code><e:Value>e:Sender'
        b"</e:Value><e:Subcode><e:Value>ter:NotAuthorized</e:Value></e:Subcode></e:Code><e:Reason>"
        b"<e:Text>Sender not Authorized</e:Text></e:Reason></e:Fault></e:Body></e:Envelope>"
    )
    with pytest.raises(OnvifError, match="Sender not Authorized") as caught:
        messages.body_of(fault)
    assert caught.value.reason is Reason.UNAUTHORISED


_NAMES = st.sampled_from(
    ["Envelope", "Body", "NotificationMessage", "Topic", "Message", "SimpleItem", "Address", "UTCDateTime", "Date"]
)


@st.composite
def trees(draw: st.DrawFn) -> Element:
    children = draw(st.lists(trees(), max_size=3)) if draw(st.booleans()) else []
    plain = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFF, exclude_categories=["Cs"]), max_size=12)
    return Element(draw(_NAMES), "urn:n", {"Name": draw(plain), "Value": draw(plain)}, children, draw(plain).strip())


@settings(max_examples=150, deadline=None)
@given(trees())
def test_what_is_written_is_read_back(tree: Element) -> None:
    def plain(one: Element) -> tuple[object, ...]:
        return one.name, one.namespace, one.text, tuple(plain(child) for child in one.children)

    assert plain(read(tree.written().encode())) == plain(tree)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=400), trees().map(lambda tree: tree.written().encode())), st.data())
def test_no_answer_however_broken_raises_anything_but_what_is_documented(data: bytes, more: st.DataObject) -> None:
    if more.draw(st.booleans()):
        at = more.draw(st.integers(0, len(HIKVISION_LIKE)))
        data = HIKVISION_LIKE[:at] + data + HIKVISION_LIKE[at:]
    with contextlib.suppress(OnvifError):
        body = messages.body_of(data)
        assert len(messages.notifications(body)) <= messages.MOST_MESSAGES
        messages.camera_time_us(body)
        messages.remaining(body)
        with contextlib.suppress(OnvifError):
            messages.subscribed(body)
        messages.events_address(body)
