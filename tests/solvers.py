"""Programs that answer the built-in probes by their concept: from the text before an answer to how it goes on.

A solver is told that something is asked for here, but not what. It reads the end of the text and computes; it shares no
code with the generators, and of their words only those lists that are knowledge (of words, phrases, sexes, texts).
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable

from zeeman.probes.builtin import text as texts
from zeeman.probes.builtin.words import FEMALE, PASTS, PHRASES, PLURALS, SEGMENTED

Solver = Callable[[str], str]
DIGITS = "zero one two three four five six seven eight nine".split()  # noqa: SIM905
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()  # noqa: SIM905


def line(text: str) -> str:
    return text[text.rfind("\n") + 1 :]


def rest(answer: str, begun: str) -> str:
    """What is left of an answer of which some stands already."""
    return answer[len(begun) :]


def after(mark: str) -> Callable[[Callable[[str], str]], Solver]:
    """Make a solver of a function from what stands before a mark in the line to the answer that follows the mark."""

    def make(answer: Callable[[str], str]) -> Solver:
        def solve(text: str) -> str:
            question, _, begun = line(text).rpartition(mark)
            return rest(answer(question), begun)

        return solve

    return make


def induction(text: str) -> str:
    *before, last = line(text).rstrip(" ").split(" ")
    found = before.index(last)
    return [*before, last][found + 1]


def recall(text: str) -> str:
    pairs, _, asked = line(text).partition(" : ")
    return dict(pair.split("=") for pair in pairs.split(" "))[asked[:-1]]


def position(text: str) -> str:
    listed, number = re.fullmatch(r"(.*), (\d): ", line(text)).groups()
    return listed.split(" ")[int(number) - 1]


def counting(text: str) -> str:
    *numbers, begun = line(text).split(" ")
    return rest(str(int(numbers[-1]) + int(numbers[1]) - int(numbers[0])), begun)


def addition(text: str) -> str:
    first, second, begun = re.split(r"[+=]", line(text))
    return rest(str(int(first) + int(second)).rjust(len(first) + 1, "0"), begun)


def comparison(text: str) -> str:
    first, second = re.findall(r"\d+", line(text))
    return ">" if int(first) > int(second) else "<"


def numeral(words: str) -> str:
    total = 0
    for word in re.split(r"[ -]", words):
        if word == "hundred":
            total *= 100
        else:
            total += DIGITS.index(word) if word in DIGITS else 10 * (TENS.index(word) + 2)
    return str(total)


def next_day(date: str) -> str:
    year, month, day = map(int, date.split("-"))
    if day < calendar.monthrange(year, month)[1]:
        return f"{year}-{month:02}-{day + 1:02}"
    return f"{year + month // 12}-{month % 12 + 1:02}-01"


def brackets(text: str) -> str:
    """Closes what is open in the line, as a stack; also in code."""
    opened = []
    for character in line(text):
        if character in "([{<":
            opened.append(character)
        elif character in ")]}>":
            opened.pop()
    return dict(zip("([{<", ")]}>", strict=True))[opened[-1]]


def code_brackets(text: str) -> str:
    return brackets(line(text).replace("<", "").replace(">", ""))


def tags(text: str) -> str:
    opened = []
    for closing, name in re.findall(r"<(/?)(\w+)>", line(text)):
        opened.pop() if closing else opened.append(name)
    return opened[-1]


def delimiters(text: str) -> str:
    fields = line(text).split(" ")
    return fields[1] if len(fields) == 6 else fields[3]


def indentation(text: str) -> str:
    *before, begun = text.split("\n")
    width = [len(each) - len(each.lstrip()) for each in before]
    unit = next(each for each in reversed(width) if each)
    level = width[-1] // unit + before[-1].endswith(":")
    return rest(" " * unit * level + "x", begun)


def agreement(text: str) -> str:
    return "are" if line(text).split(" ")[1].endswith("s") else "is"


def determiner(noun: str) -> str:
    word = noun.split(" ")[0]
    irregular = {"mice", "geese", "men", "women", "feet", "teeth"}
    singular = {"bus", "lens", "gas", "virus", "iris", "atlas"}
    return "these" if word in irregular or (word.endswith("s") and word not in singular) else "this"


def inflected(table: object) -> Callable[[str], str]:
    known = dict(re.findall(r"(\w+)/(\w+)/", str(table)))
    return lambda base: known[base]


def past(text: str) -> str:
    question, _, begun = line(text).rpartition(" -> ")
    forms = {form for base, form in re.findall(r"(\w+)/(\w+)/", str(PASTS)) if base == question}
    (form,) = forms
    return rest(form, begun)


def pronoun(text: str) -> str:
    return "she" if line(text).split(" ")[0] in FEMALE else "he"


def names(text: str) -> list[str]:
    return re.findall(r"\b(?!It|Then|The|She|He)[A-Z][a-z]+", line(text))


def ioi(text: str) -> str:
    (asked,) = [name for name in set(names(text)) if names(text).count(name) == 1]
    return asked


def coreference(text: str) -> str:
    wanted = re.search(r"\b(She|He) fell", line(text))[1] == "She"
    (meant,) = [name for name in names(text) if (name in FEMALE) == wanted]
    return meant


def transitive(text: str) -> str:
    pairs = [(b, a) if sign == "<" else (a, b) for a, sign, b in re.findall(r"(\w+) ([<>]) (\w+)", line(text))]
    (top,) = {high for high, _ in pairs} - {low for _, low in pairs}
    return top


def variables(text: str) -> str:
    lines, _, asked = line(text).partition(" : ")
    values: dict[str, str] = {}
    for each in lines.split(" "):
        name, value = each.split("=")
        values[name] = values.get(value, value)
    return values[asked[:-1]]


def negation(text: str) -> str:
    words = line(text).split(" ")
    return str((words.count("not") % 2 == 1) ^ ("true" in words)).lower()


def membership(text: str) -> str:
    asked, listed = line(text)[:-2].split(" in ")
    return "yes" if asked in listed else "no"


def equality(text: str) -> str:
    first, second = line(text)[:-2].split(" ")
    return "same" if first == second else "other"


def capitals(text: str) -> str:
    phrase = re.split(r"[.,]", line(text))[0]
    return phrase.capitalize() if text.endswith(". ") else phrase


def segmented(letters: str) -> str:
    level = next(level for level in SEGMENTED if re.fullmatch(f"(?:{'|'.join(level)})+", letters))
    return " ".join(re.findall("|".join(level), letters))


def phrase(text: str) -> str:
    known = dict(each.rsplit(" ", 1) for level in PHRASES for each in level)
    return known[line(text).rstrip(" ")]


def sequence(text: str) -> str:
    words = line(text).split(" ")
    days = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday Monday Tuesday Wednesday"
    ordinals = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"
    for known in (" ".join("abcdefghijklmnopqrstuvwxyz"), days, ordinals):
        if " ".join(words[:3]) in known:
            return rest(known.split(" ")[known.split(" ").index(words[0]) + 3 :][0], words[3])
    raise AssertionError(text)


def rot13(letters: str) -> str:
    return "".join("nopqrstuvwxyzabcdefghijklm"[ord(letter) - 97] for letter in letters)


def known_by_heart(source: Callable[[], str]) -> Solver:
    """Find where the excerpt stands in the source, and read on."""

    def solve(text: str) -> str:
        # An excerpt begins somewhere before; the longest end of the text that stands in the source tells where.
        for length in (120, 60, 32):
            if (at := source().find(text[-length:])) >= 0 and len(text) >= length:
                return source()[at + length :][:1]
        return ""

    return solve


SOLVERS: dict[str, Solver] = {
    "induction": induction,
    "induction-words": induction,
    "copy": after(" > ")(str.strip),
    "copy-reversed": after(" < ")(lambda given: given[::-1]),
    "recall": recall,
    "position": position,
    "spelling": after(": ")(lambda word: " ".join(word)),
    "counting": counting,
    "tally": after(" = ")(lambda marks: str(marks.count("x"))),
    "addition": addition,
    "carry": after("=")(lambda total: str(sum(map(int, total.split("+"))))),
    "parity": after(" is ")(lambda digits: "even" if int(digits) % 2 == 0 else "odd"),
    "comparison": comparison,
    "sorting": after(" = ")(lambda given: " ".join(sorted(given.split(" ")))),
    "sorting-letters": after(" = ")(lambda given: " ".join(sorted(given.split(" ")))),
    "numerals": after(" = ")(numeral),
    "dates": after(", then ")(next_day),
    "brackets": brackets,
    "quotation": lambda text: line(text)[0],
    "tags": tags,
    "delimiters": delimiters,
    "indentation": indentation,
    "agreement": agreement,
    "determiner": after(": ")(determiner),
    "plural": after(" -> ")(inflected(PLURALS)),
    "past": past,
    "pronoun": pronoun,
    "ioi": ioi,
    "coreference": coreference,
    "transitive": transitive,
    "variables": variables,
    "negation": negation,
    "membership": membership,
    "equality": equality,
    "case": after(" -> ")(str.swapcase),
    "capitals": capitals,
    "acronym": after(" = ")(lambda words: "".join(word[0].upper() for word in words.split(" "))),
    "segmentation": after(" = ")(segmented),
    "cipher": after(" ~ ")(rot13),
    "phrases": phrase,
    "sequence": sequence,
    "code-brackets": code_brackets,
    "code": known_by_heart(texts.python_text),
    "prose": known_by_heart(texts.prose_text),
    "legal": known_by_heart(texts.legal_text),
    "zen": known_by_heart(texts.zen_text),
}
