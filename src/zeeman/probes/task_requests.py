"""What a task asks of each document: contexts, continuations and the right one among them."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from zeeman.errors import ZeemanError
from zeeman.probes.task_file import Doc, TaskFile


@dataclass(frozen=True)
class Question:
    """Continuations of contexts, one of which is right.

    Parameters
    ----------
    pairs : tuple of (str, str)
        Context and continuation of each answer; a single one where nothing is chosen.
    right : int
    answers : tuple of str
        The answers as they are given, whose lengths normalize their log-likelihoods.
    """

    pairs: tuple[tuple[str, str], ...]
    right: int = 0
    answers: tuple[str, ...] = ()


class Templates:
    """The templates of a task, filled in for a document.

    Templates run in a sandbox, since a task file may come from anyone.
    """

    def __init__(self, task: TaskFile) -> None:
        self.task = task
        self.environment = ImmutableSandboxedEnvironment(
            undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False
        )
        self.environment.filters["regex_replace"] = _regex_replace

    def question(self, number: int, doc: Doc) -> Question:
        """Make the question that a document asks.

        Parameters
        ----------
        number : int
            Of the document, from 0, for errors.
        doc : dict

        Raises
        ------
        ZeemanError
            If a template can't be filled in, or gives what makes no question; names file, line and document.
        """
        if self.task.kind == "loglikelihood_rolling":
            return Question((("", self._string("doc_to_target", number, doc)),))
        if self.task.kind == "loglikelihood":
            return Question(((self._context(number, doc), self._string("doc_to_target", number, doc)),))
        return self._choice(number, doc)

    def _choice(self, number: int, doc: Doc) -> Question:
        answers = self._value("doc_to_choice", number, doc, _literal)
        if answers is self.task.fields["doc_to_choice"] and isinstance(answers, dict):
            answers = list(answers.values())
        if not isinstance(answers, list) or len(answers) < 2 or not all(isinstance(a, str) and a for a in answers):
            raise self._error("doc_to_choice", number, f"must give two or more texts, got {answers!r:.60}")
        delimiter = self.task.field("target_delimiter", (str,), " ")
        text = self._value("doc_to_text", number, doc, _place)
        if isinstance(text, int):
            before, after = self._description(number, doc), delimiter + self._string("doc_to_target", number, doc)
            pairs = tuple((before + answer, after) for answer in answers)
            return Question(pairs, self._right("doc_to_text", number, text, answers), tuple(answers))
        target = self._value("doc_to_target", number, doc, _place)
        context = self._context(number, doc)
        right = self._right("doc_to_target", number, target, answers)
        return Question(tuple((context, delimiter + answer) for answer in answers), right, tuple(answers))

    def _right(self, field: str, number: int, target: object, answers: Sequence[str]) -> int:
        if isinstance(target, str) and target in answers:
            return answers.index(target)
        if isinstance(target, bool) or not isinstance(target, int) or not 0 <= target < len(answers):
            raise self._error(
                field, number, f"must give one answer or its place, from 0 to {len(answers) - 1}, got {target!r:.60}"
            )
        return target

    def _context(self, number: int, doc: Doc) -> str:
        return self._description(number, doc) + self._string("doc_to_text", number, doc)

    def _description(self, number: int, doc: Doc) -> str:
        return self._filled("description", self.task.field("description", (str,), ""), number, doc)

    def _string(self, field: str, number: int, doc: Doc) -> str:
        value = self._value(field, number, doc)
        if not isinstance(value, str):
            raise self._error(field, number, f"must give a text, got {value!r:.60}")
        return value

    def _value(self, field: str, number: int, doc: Doc, read: Callable[[str], Any] = str) -> Any:
        """What a field says of a document: the document's own field of that name, a template filled in, or itself."""
        given = self.task.field(field, (str, int, list, dict))
        if not isinstance(given, str):
            return given
        return doc[given] if given in doc else read(self._filled(field, given, number, doc))

    def _filled(self, field: str, template: str, number: int, doc: Doc) -> str:
        try:
            return self.environment.from_string(template).render(**doc)
        except TemplateError as error:
            reason = str(error).split("\n")[0]
            raise self._error(field, number, f"is a template that can't be filled in: {reason}") from error
        except Exception as error:  # a template may compute, and so fail, in any way
            raise self._error(field, number, f"is a template that fails: {error!r:.100}") from error

    def _error(self, field: str, number: int, problem: str) -> ZeemanError:
        return self.task.error(field, f"{problem} (document {number})")


def _place(text: str) -> int | str:
    """The place of an answer, where a template gives digits."""
    return int(text) if text.isdecimal() and text.isascii() else text


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def _regex_replace(text: str, pattern: str, replacement: str, count: int = 0) -> str:
    return re.sub(pattern, replacement, text, count=count)
