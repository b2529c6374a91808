"""XML from a camera into a small tree: no document types, no entities, bounded in every direction.

The reading itself is expat's (the standard library's parser, in use everywhere, which knows encodings and namespaces).
Entities can only be declared in a document type, and one ends the reading at once: nothing is ever expanded or fetched.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

MAX_BYTES = 256 << 10
MAX_DEPTH = 32
MAX_ELEMENTS = 8_000
MAX_ATTRIBUTES = 32
"""Of one element."""

ENVELOPE = "http://www.w3.org/2003/05/soap-envelope"
_SEPARATOR = "\n"
"""Between namespace and name: stands in neither."""


class BadXml(ValueError):
    """What a camera sent is no XML that is read here; the message says why."""


@dataclass(slots=True)
class Element:
    """One element. Names are without namespace: cameras disagree on those, and what is read here is unmistakable."""

    name: str
    namespace: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    """By name without namespace."""
    children: list[Element] = field(default_factory=list)
    text: str = ""
    """What stands directly in it, stripped."""

    def below(self) -> Iterator[Element]:
        """Yield all that is in it, in the order of the document."""
        waiting = list(reversed(self.children))
        while waiting:
            element = waiting.pop()
            yield element
            waiting.extend(reversed(element.children))

    def every(self, name: str) -> Iterator[Element]:
        """Yield elements of a name anywhere below."""
        return (element for element in self.below() if element.name == name)

    def first(self, *path: str) -> Element | None:
        """Return the first element of a name anywhere below, therein the first of the next name, and so on."""
        found: Element | None = self
        for name in path:
            found = next(found.every(name), None) if found is not None else None
        return found

    def word(self, *path: str) -> str:
        """Return the text of such an element; empty when there is none."""
        found = self.first(*path)
        return found.text if found is not None else ""

    def written(self) -> str:
        """Return it as XML, each element with its own namespace."""
        attributes = "".join(f" {name}={quoteattr(value)}" for name, value in self.attributes.items())
        inner = escape(self.text) + "".join(child.written() for child in self.children)
        return f"<{self.name} xmlns={quoteattr(self.namespace)}{attributes}>{inner}</{self.name}>"


def read(data: bytes) -> Element:
    """Return the tree of a document; BadXml when it is none, holds a document type, or is larger than any reply."""
    if len(data) > MAX_BYTES:
        raise BadXml("the answer is too long")
    builder = _Builder()
    parser = expat.ParserCreate(namespace_separator=_SEPARATOR)
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.say
    parser.StartDoctypeDeclHandler = builder.refuse
    parser.EntityDeclHandler = builder.refuse
    parser.ProcessingInstructionHandler = builder.refuse_instruction
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise BadXml(f"the answer is no XML (line {error.lineno})") from None
    except (LookupError, ValueError) as error:
        if isinstance(error, BadXml):
            raise
        raise BadXml("the answer is written in an unknown encoding") from None
    assert builder.root is not None  # expat accepts no document without an element
    return builder.root


class _Builder:
    def __init__(self) -> None:
        self.root: Element | None = None
        self._open: list[Element] = []
        self._texts: list[list[str]] = []
        self._count = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > MAX_ELEMENTS or len(self._open) >= MAX_DEPTH or len(attributes) > MAX_ATTRIBUTES:
            raise BadXml("the answer has too many parts")
        namespace, _, name = tag.rpartition(_SEPARATOR)
        element = Element(name, namespace, {key.rpartition(_SEPARATOR)[2]: value for key, value in attributes.items()})
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)
        self._texts.append([])

    def end(self, _tag: str) -> None:
        self._open.pop().text = "".join(self._texts.pop()).strip()

    def say(self, text: str) -> None:
        self._texts[-1].append(text)

    def refuse(self, *_declared: Any) -> None:
        raise BadXml("the answer holds a document type")

    def refuse_instruction(self, *_told: Any) -> None:
        raise BadXml("the answer holds a processing instruction")
