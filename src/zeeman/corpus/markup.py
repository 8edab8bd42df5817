"""Plain text from the forms that packages hold it in."""

from __future__ import annotations

import bz2
import gzip
import html
import json
import re
import struct
import zlib
from collections.abc import Iterator
from html.parser import HTMLParser
from io import BytesIO
from xml.etree import ElementTree

Named = tuple[str, str]
"""What a text is called, within its file, and the text."""


def plain(path: str, content: bytes) -> Iterator[Named]:
    r"""Text as it is, unpacked if it is packed by gzip.

    Examples
    --------
    >>> list(plain("a.txt", "é\r\n".encode()))
    [('', 'é\n')]
    """
    raw = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    yield "", text.replace("\r\n", "\n")


def roff(path: str, content: bytes) -> Iterator[Named]:
    r"""A manual page without its requests and escapes.

    Examples
    --------
    >>> list(roff("a.1", b'.TH A 1\n.SH "NAME"\n\\fBls\\fP \\- lists\n.\\" no\n'))
    [('', 'NAME\nls - lists\n')]
    """
    lines = []
    for _, text in plain(path, content):
        for line in text.split("\n"):
            if line.startswith((".", "'")):
                request, _, rest = line[1:].strip().partition(" ")
                if request not in _SHOWN:
                    continue
                line = rest.replace('"', "")
            lines.append(line)
    text = re.sub(r"\\f(?:\[[^\]]*\]|\(..|.)|\\s[-+]?\d+|\\[&/,|^]|\\m\[[^\]]*\]", "", "\n".join(lines))
    text = re.sub(r"\\\[(?:u([0-9A-F]{4,5})|[^\]]*)\]", lambda m: chr(int(m[1], 16)) if m[1] else "", text)
    for escape, letter in _ROFF.items():
        text = text.replace(escape, letter)
    yield "", re.sub(r"\n{3,}", "\n\n", text)


_SHOWN = {
    "SH",
    "SS",
    "B",
    "I",
    "BR",
    "IR",
    "RB",
    "RI",
    "BI",
    "IB",
    "SM",
    "SB",
    "IP",
    "TP",
    "Sh",
    "Nm",
    "Nd",
    "Fl",
    "Ar",
}
_ROFF = {"\\-": "-", "\\(aq": "'", "\\(dq": '"', "\\(bu": "•", "\\(em": "—", "\\(en": "–", "\\(co": "©", "\\(rq": "”"}
_ROFF |= {"\\(lq": "“", "\\*(lq": "“", "\\*(rq": "”", "\\ ": " ", "\\~": " ", "\\e": "\\", "\\(ti": "~", "\\(ha": "^"}


class _Page(HTMLParser):
    """Text of a page, a new line where a block begins."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "style", "head"):
            self.hidden += 1
        elif tag in ("p", "br", "div", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "dt", "dd", "pre"):
            self.parts.append("\n\n" if tag in ("p", "h1", "h2", "h3", "blockquote") else "\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style", "head"):
            self.hidden = max(0, self.hidden - 1)

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.parts.append(re.sub(r"\s+", " ", data))


def web_page(path: str, content: bytes) -> Iterator[Named]:
    r"""A page of HTML without its tags.

    Examples
    --------
    >>> list(web_page("a.html", b"<head><title>t</title></head><h1>One</h1><p>two &amp;\n three</p>"))
    [('', 'One\n\ntwo & three')]
    """
    page = _Page()
    for _, text in plain(path, content):
        page.feed(text)
    text = "".join(page.parts)
    yield "", re.sub(r"\n{3,}", "\n\n", re.sub(r" *\n *", "\n", text)).strip()


def wiki_dump(path: str, content: bytes) -> Iterator[Named]:
    """Articles of a dump of MediaWiki in bzip2, without redirects, stubs, templates, references and tables."""
    title = ""
    for _, element in ElementTree.iterparse(BytesIO(bz2.decompress(content))):
        tag = element.tag.rpartition("}")[2]
        if tag == "title":
            title = element.text or ""
        elif tag == "text" and not (element.text or "").upper().startswith("#REDIRECT") and ":" not in title:
            text = wiki_text(element.text or "")
            if len(text) >= 800:
                yield title, f"{title}\n\n{text}"
        elif tag == "page":
            element.clear()


def wiki_text(text: str) -> str:
    r"""The text of an article in the markup of MediaWiki.

    Examples
    --------
    >>> wiki_text("'''A''' is {{x|{{y}}}}[[b|c]].<ref>d</ref> [[File:e.png|f [[g]]]]\n== H ==\n{| t\n|}")
    'A is c.\n\nH'
    """
    text = re.sub(r"<!--.*?-->|<ref[^>/]*/>|<ref.*?</ref>|<(gallery|math|timeline).*?</\1>", "", text, flags=re.DOTALL)
    for pattern in (r"\{\{[^{}]*\}\}", r"\{\|(?:(?!\{\||\|\}).)*\|\}"):
        count = 1
        while count:
            text, count = re.subn(pattern, "", text, flags=re.DOTALL)
    count = 1
    while count:  # links in captions first
        text, count = re.subn(
            r"\[\[(?:(?!File:|Image:|Category:)[^\[\]|]*\|)?((?!File:|Image:|Category:)[^\[\]|]*)\]\]", r"\1", text
        )
    text = re.sub(r"\[\[[^\[\]]*\]\]|\[https?:\S+ ?|<[^>]+>|'{2,}", "", text)
    text = re.sub(r"^=+ *(.*?) *=+ *$", r"\n\1", text, flags=re.MULTILINE)
    text = re.sub(r"[ \t]+\n", "\n", html.unescape(text))
    return re.sub(r"\n{3,}", "\n\n", text).strip()


_OTHER = r"(?!File:|Image:|Category:)"
_LINK = re.compile(rf"\[\[(?:{_OTHER}[^\[\]|]*\|)?({_OTHER}[^\[\]|]*)\]\]")


def lazy_load(path: str, content: bytes) -> Iterator[Named]:
    """Books in a lazy-load database of R: chapters, from the strings of its serialized objects.

    A record is the length of what it holds, big-endian, and a zlib stream; a string (CHARSXP) is a word of flags whose
    last byte is 9, its length, and its bytes.
    """
    book = 0
    while len(content) > 4:
        stream = zlib.decompressobj()
        record = stream.decompress(content[4:])
        content = stream.unused_data
        lines, at = [], 0
        while match := _CHARSXP.search(record, at):
            length = struct.unpack(">i", match[1])[0]
            at = match.end() + max(0, length)
            if 0 <= length <= 2000:
                lines.append(record[match.end() : at].decode("utf-8", "replace"))
        if len(lines) > 1000:
            chapters = re.split(r"\n(?=(?:CHAPTER|Chapter) [0-9IVXLC]+\b)", "\n".join(lines))
            yield from ((f"{book}.{number}", chapter.strip()) for number, chapter in enumerate(chapters))
            book += 1


_CHARSXP = re.compile(rb"\x00(?:\x04\x00|\x00\x80|\x00\x00)\x09([\x00-\xff]{4})")


def licences(path: str, content: bytes) -> Iterator[Named]:
    """Licence texts of a JSON table with ``licenseText``."""
    for name, entry in sorted(json.loads(content).items()):
        yield name, entry["licenseText"]


def metamath(path: str, content: bytes) -> Iterator[Named]:
    r"""A database of Metamath without its proofs.

    Examples
    --------
    >>> list(metamath("a.mm", b"$( Identity. $)\nid $p |- ( ph -> ph ) $=\n  ( wi ) ABC $.\n"))
    [('', '$( Identity. $)\nid $p |- ( ph -> ph ) $.\n')]
    """
    yield "", re.sub(r"\$=\s.*?\$\.", "$.", content.decode("ascii", "replace"), flags=re.DOTALL)
