"""Text out of the forms that packages hold it in, written here as their own tools write them."""

from __future__ import annotations

import bz2
import gzip
import json
import struct
import zlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from zeeman.corpus.domains import by_length, by_paragraph
from zeeman.corpus.markup import lazy_load, licences, plain, roff, web_page, wiki_dump


def character_vector(lines: list[str]) -> bytes:
    """R's serialization, version 2 in XDR: a STRSXP of CHARSXPs, ASCII (0x40009), UTF-8 (0x8009) or missing."""
    out = b"X\n" + struct.pack(">iii", 2, 0x30601, 0x20300) + struct.pack(">ii", 16, len(lines))
    for line in lines:
        out += struct.pack(">ii", 0x40009 if line.isascii() else 0x8009, len(line.encode())) + line.encode()
    return out


def record(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + zlib.compress(content)


def test_books_of_a_lazy_load_database_are_read_line_by_line() -> None:
    rng = np.random.default_rng(0)
    lines = [" ".join(rng.choice(["a", "day", "Émile", "\t9"], 12)) for _ in range(1500)]
    lines[0], lines[700] = "CHAPTER I", "CHAPTER II"
    small = record(character_vector(["metadata", "only"]))
    found = dict(lazy_load("Rdata.rdb", small + record(character_vector(lines)) + small))
    assert list(found) == ["0.0", "0.1"]
    assert "\n".join(found.values()) == "\n".join(lines).replace("\nCHAPTER II", "\nCHAPTER II").strip()


def test_articles_are_read_and_stubs_redirects_and_other_pages_are_not() -> None:
    long = "word " * 300
    pages = {
        "Good": f"'''Good''' is [[a|b]]. {long}{{{{cite|x={{{{y}}}}}}}}",
        "Stub": "short",
        "Old": f"#REDIRECT [[Good]] {long}",
        "Template:T": long,
    }
    body = "".join(f"<page><title>{t}</title><revision><text>{x}</text></revision></page>" for t, x in pages.items())
    dump = bz2.compress(f'<mediawiki xmlns="http://example.invalid/">{body}</mediawiki>'.encode())
    found = dict(wiki_dump("a.bz2", dump))
    assert list(found) == ["Good"]
    assert found["Good"] == f"Good\n\nGood is b. {long.strip()}"


def test_pages_keep_their_words_and_lose_their_markup() -> None:
    page = b"<html><head><title>T</title><style>p {}</style></head><body><p>One <b>two</b><script>x()</script><p>3</p>"
    assert dict(web_page("a.html", page)) == {"": "One two\n\n3"}
    manual = ".TH X 1\n.SH NAME\nx \\- \\fBdoes\\fR\n.PP\nl'été \\[u201E]a\\[u201C]\n.nf\n".encode()
    assert dict(roff("x.1.gz", gzip.compress(manual))) == {"": "NAME\nx - does\nl'été „a“\n"}
    assert dict(plain("a", "é".encode("latin-1"))) == {"": "é"}
    assert dict(licences("a.json", json.dumps({"B": {"licenseText": "b"}, "A": {"licenseText": "a"}}).encode())) == {
        "A": "a",
        "B": "b",
    }


@given(st.text(st.sampled_from("ab \n"), max_size=200), st.integers(2, 40))
def test_cutting_loses_nothing_and_pieces_are_long_enough(text: str, size: int) -> None:
    for cut in (by_length(size), by_paragraph(size)):
        pieces = cut(text)
        assert "".join(pieces) == text
        assert all(len(piece) >= size for piece in pieces[:-1])
