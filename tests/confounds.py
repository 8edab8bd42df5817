"""Programs that answer the built-in probes by what their cards name as another explanation, and nothing else."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

from solvers import Solver, line
from zeeman.probes.builtin.words import FEMALE, PASTS, PLURALS


def last_word(text: str) -> str:
    return (re.findall(r"\w+", text) or ["?"])[-1]


def last_letter(text: str) -> str:
    return (re.findall(r"\S", text) or ["?"])[-1]


def first_word(text: str) -> str:
    return (re.findall(r"\w+", line(text)) or ["?"])[0]


def commonest(text: str) -> str:
    """The commonest character of the line so far, letters and digits alone."""
    return Counter(re.findall(r"\w", line(text)) or ["?"]).most_common(1)[0][0]


def previous_answer(mark: str, index: int = 0) -> Solver:
    """What stood after this mark in the line before."""

    def solve(text: str) -> str:
        found = re.findall(re.escape(mark) + r"(\S+)", text[: text.rfind("\n") + 1])
        return found[-1][index:] if found else "?"

    return solve


def always(answer: str) -> Solver:
    return lambda text: answer


def aligned(mark: str, convert: Callable[[str], str] = str) -> Solver:
    """Copies from the question what stands at the same place."""

    def solve(text: str) -> str:
        question, _, begun = line(text).rpartition(mark)
        copied = convert(question.strip())
        return copied[len(begun)] if len(begun) < len(copied) else "?"

    return solve


def digit_of(number: int) -> Solver:
    """Copies the digit of one of the numbers at the same place."""

    def solve(text: str) -> str:
        *numbers, begun = re.split(r"[+=]", line(text))
        return numbers[number][len(begun) - 1]

    return solve


def first_digits(more: int) -> Solver:
    """Adds the first digits, with a carry or without."""

    def solve(text: str) -> str:
        first, second, _ = re.split(r"[+=]", line(text))
        return str(int(first[0]) + int(second[0]) + more)

    return solve


def compared_at(place: int) -> Solver:
    def solve(text: str) -> str:
        first, second = re.findall(r"\d+", line(text))
        return ">" if first[place] > second[place] else "<"

    return solve


def digit_parity(text: str) -> str:
    """The parity of the first digit; of a number of one digit, which is the concept, the answer before."""
    digits = first_word(text)
    if len(digits) == 1:
        return previous_answer(" is ")(text)
    return "odd" if int(digits[0]) % 2 else "even"


def same_date(text: str) -> str:
    date, _, begun = line(text).partition(", then ")
    return date[len(begun)]


def next_month(text: str) -> str:
    date, _, begun = line(text).partition(", then ")
    return str(int(date[5:7]) + 1)[-1] if len(begun) == 6 else date[len(begun)]


def closes_last_opened(text: str) -> str:
    opened = re.findall(r"[(\[{<]", line(text))
    return dict(zip("([{<", ")]}>", strict=True))[opened[-1]]


def closes_last_opened_code(text: str) -> str:
    return closes_last_opened(re.sub(r"[<>]", "", line(text)))


def last_closed(text: str) -> str:
    return (re.findall(r"[)\]}>]", text) or ["?"])[-1]


def last_quote(text: str) -> str:
    """The mark seen last, where it is not the one that is open."""
    inner = re.findall(r"['\"`]", line(text))
    return inner[-1] if len(inner) > 1 else quote_before(text)


def quote_before(text: str) -> str:
    return (re.findall(r"['\"`](?= \.\n)", text) or ["?"])[-1]


def last_tag(text: str) -> str:
    """The element opened last; where that is the one to close, that of the line before."""
    opened = re.findall(r"<(\w+)", line(text))
    return opened[-1] if len(opened) > 1 else (re.findall(r"</(\w+)", text) or ["?"])[-1]


def delimiter_before(text: str) -> str:
    return (re.findall(r" ([;|,/]) ", text[: text.rfind("\n") + 1]) or ["?"])[-1]


def last_delimiter(text: str) -> str:
    """The last one of a line with two; of others, where that is the concept, that of the line before."""
    found = re.findall(r" ([;|,/]) ", line(text) + " ")
    return found[-1] if len(set(found)) > 1 else delimiter_before(text)


def width_before(text: str) -> str:
    """The width of the block before, from the lines of which the last one was asked for."""
    found = re.findall(r"\n( +)x = 2", text)
    begun = line(text)
    return (found[-1] + "x")[len(begun)] if found and len(found[-1]) >= len(begun) else "x"


def nearest_noun(text: str) -> str:
    """The number of the noun next to the verb; where it is the subject, the verb before."""
    if line(text).count("the ") == 1:
        return (re.findall(r" (is|are) old", text) or ["?"])[-1]
    return "are" if line(text).rstrip().endswith("s") else "is"


def noun_ending(text: str) -> str:
    """Ending in s where that is not the concept, the nearer noun at a distance; else the answer before."""
    question = line(text).partition(":")[0]
    shifty = re.search(r"^(bus|lens|gas|virus|iris|atlas|mice|geese|men|women|feet|teeth)", question)
    plural = question.endswith("s")
    if " " in question or shifty or "bus" in text or "mice" in text:
        return ("these" if plural else "this")[2:]
    return previous_answer(": ", 2)(text)


def one_rule(table: object, group: int) -> Solver:
    """Inflects every word by the rule of one group of its level."""
    forms: dict[str, dict[str, str]] = {"": {}}
    for level in table:  # type: ignore[attr-defined]
        for own, words in enumerate(level):
            for base, form, rival in re.findall(r"(\w+)/(\w+)/(\w+)", words):
                forms[""][f"{base}/{form}"] = form if own == group else rival

    def solve(text: str) -> str:
        base, _, begun = line(text).rpartition(" -> ")
        fitting = {made for key, made in forms[""].items() if key.startswith(f"{base}/") and made.startswith(begun)}
        return sorted(fitting)[0][len(begun) :] if fitting else "?"

    return solve


def last_person(text: str) -> str:
    names = re.findall(r"[A-Z]\w+", line(text))
    if len(names) == 1:
        return (re.findall(r"said (she|he)", text) or ["?"])[-1]
    return "she" if names[-1] in FEMALE else "he"


def name_at(index: int) -> Solver:
    def solve(text: str) -> str:
        return re.findall(r"\b(?!It|Then|The|She|He)[A-Z][a-z]+", line(text))[index]

    return solve


def most_said(text: str) -> str:
    return Counter(re.findall(r"\b(?!It|Then|The|She|He)[A-Z][a-z]+", line(text))).most_common(1)[0][0]


def digit_at(index: int) -> Solver:
    return lambda text: re.findall(r"=(\d)", line(text))[index]


def last_letters_same(text: str) -> str:
    first, second = line(text)[:-2].split(" ")
    return "same" if first[-1] == second[-1] else "other"


def first_letters_same(text: str) -> str:
    first, second = line(text)[:-2].split(" ")
    return "same" if first[0] == second[0] else "other"


def truth(flip: bool) -> Solver:
    return lambda text: "true" if ("true" in line(text)) ^ flip else "false"


def phrase_before(text: str) -> str:
    parts = re.split(r"[.,] ", line(text))
    return parts[-2]


def next_source_letter(text: str) -> str:
    letters, _, apart = line(text).partition(" = ")
    done = len(apart.replace(" ", ""))
    return letters[done] if done < len(letters) else "?"


def last_initial(text: str) -> str:
    return re.findall(r"\w+", line(text).partition(" =")[0])[-1][0].upper()


def initials_backwards(words: str) -> str:
    return "".join(word[0].upper() for word in reversed(words.split(" ")))


CONFOUNDS: dict[str, list[Solver]] = {
    "induction": [last_letter, commonest, first_word],
    "induction-words": [last_word, commonest, first_word],
    "copy": [last_letter, commonest, lambda text: line(text).strip()[0]],
    "copy-reversed": [aligned(" < "), commonest],
    "recall": [digit_at(-1), digit_at(0)],
    "position": [lambda text: re.findall(r"[a-z]+", line(text))[-1], first_word],
    "spelling": [last_letter, commonest],
    "counting": [lambda text: line(text).split(" ")[-2][-1], previous_answer(" "), always("5")],
    "tally": [previous_answer("= "), always("4")],
    "addition": [digit_of(0), digit_of(1), always("0")],
    "carry": [first_digits(0), first_digits(1), always("5")],
    "parity": [digit_parity, always("odd")],
    "comparison": [previous_answer(": "), always("<")],
    "sorting": [aligned(" = "), commonest],
    "sorting-letters": [aligned(" = "), commonest],
    "numerals": [always("2"), lambda text: (re.findall(r"\d", text) or ["?"])[-1]],
    "dates": [same_date, next_month],
    "brackets": [closes_last_opened, last_closed, always(")")],
    "quotation": [last_quote, quote_before, always('"')],
    "tags": [last_tag, always("cat")],
    "delimiters": [last_delimiter, delimiter_before, always(",")],
    "indentation": [always(" "), always("x"), width_before],
    "agreement": [nearest_noun, always("is")],
    "determiner": [noun_ending, always("is")],
    "plural": [one_rule(PLURALS, 0), one_rule(PLURALS, 1)],
    "past": [one_rule(PASTS, 0), one_rule(PASTS, 1)],
    "pronoun": [last_person, previous_answer("said ")],
    "ioi": [name_at(0), name_at(1), name_at(-1), most_said],
    "coreference": [name_at(0), name_at(-1)],
    "transitive": [name_at(0), name_at(-1), most_said],
    "variables": [digit_at(0), digit_at(-1)],
    "negation": [truth(False), truth(True), always("true")],
    "membership": [previous_answer(": "), always("yes")],
    "equality": [first_letters_same, always("other")],
    "case": [aligned(" -> ")],
    "capitals": [phrase_before, lambda text: line(text).split(" ")[0].strip(".,").capitalize()],
    "acronym": [last_initial, aligned(" = ", initials_backwards)],
    "segmentation": [next_source_letter, always(" ")],
    "cipher": [aligned(" ~ "), last_letter],
    "phrases": [always("course"), last_word],
    "sequence": [last_word, always("S"), always("s"), always("t")],
    "code-brackets": [closes_last_opened_code, always(")")],
    "code": [always(" ")],
    "prose": [always(" ")],
    "legal": [always(" ")],
    "zen": [always(" ")],
    "noise-letters": [last_letter, commonest, always("e")],
    "noise-digits": [last_letter, commonest, always("1")],
    "noise-words": [last_word, commonest, always("cat")],
    "noise-characters": [last_letter, commonest, always("(")],
}
AT_LEVELS: dict[str, list[Solver]] = {
    "tally-3": [lambda text: str(len(re.findall("[xo]", line(text))) % 10)],
    "case-3": [aligned(" -> ", str.upper), aligned(" -> ", str.lower)],
    "comparison-2": [compared_at(0)],
    "comparison-3": [compared_at(0), compared_at(-1)],
}
