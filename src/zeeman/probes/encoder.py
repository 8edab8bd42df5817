"""What turns text to token ids: with the characters of each token, or as evaluations do it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zeeman.errors import ZeemanError

Span = tuple[int, int]


@dataclass(frozen=True)
class Encoder:
    """A tokenizer that also tells which characters each token stands for.

    Parameters
    ----------
    encode : callable
        Text and where it may be cut, to token ids and the span of characters of each.
    vocabulary : tuple of str
        What each token id stands for; empty if that is not known.
    prefix : int or None
        An id of the vocabulary that stands before a text with nothing before it: the beginning of text, or its end.
        None: nothing does.
    encode_whole : callable or None
        Text to token ids, with what the tokenizer adds to a whole text by itself. None: it adds nothing.
    """

    encode: Callable[[str, Sequence[int]], tuple[list[int], list[Span]]]
    vocabulary: tuple[str, ...] = ()
    prefix: int | None = None
    encode_whole: Callable[[str], list[int]] | None = None

    def tokens(self, text: str, *, whole: bool = False) -> list[int]:
        """Encode a text.

        Parameters
        ----------
        text : str
        whole : bool
            Add what the tokenizer adds by itself, unless the text begins with it.
        """
        begins = self.prefix is not None and text.startswith(self.vocabulary[self.prefix])
        if whole and self.encode_whole and not begins:
            return self.encode_whole(text)
        return self.encode(text, [0, len(text)])[0]

    def begin(self) -> int:
        """Give the prefix.

        Raises
        ------
        ZeemanError
            If there is none.
        """
        if self.prefix is None:
            raise ZeemanError(
                "the tokenizer has no token for the beginning or end of a text, which a text with nothing before it "
                "needs; set bos_token or eos_token in its tokenizer_config.json."
            )
        return self.prefix

    def encode_pair(self, context: str, continuation: str) -> tuple[list[int], list[int]]:
        """Encode a text and what follows it, as lm-evaluation-harness cuts them.

        Both are encoded together and cut after as many tokens as the context has alone; blanks that end the context
        belong to what follows it. After an empty context stands the prefix.

        Parameters
        ----------
        context, continuation : str

        Returns
        -------
        context, continuation : list of int
            The first is not empty.

        Raises
        ------
        ZeemanError
            If there is nothing to begin with.
        """
        if not context:
            after = self.tokens(continuation)
            begins = after[:1] == [self.begin()]
            return [self.begin()], after[1:] if begins else after
        before = self.tokens(context.rstrip(), whole=True)
        both = self.tokens(context + continuation, whole=True)
        return before or [self.begin()], both[len(before) :]

    def score(self, text: str, marks: NDArray[np.int8]) -> tuple[list[int], NDArray[np.bool_]]:
        r"""Encode text, and find the tokens that are asked for.

        A token is asked for if at least one of its characters is decided and all of them, but for a space that begins
        it, belong to the answer: a token that runs over an answer's border is never asked for.

        Parameters
        ----------
        text : str
        marks : int8 array, shape (characters,)
            0 given, 1 part of an answer, 2 decided.

        Returns
        -------
        tokens : list of int
        scored : bool array, shape (tokens,)

        Examples
        --------
        >>> from zeeman.probes.encoding import make_encoder
        >>> words = make_encoder(["1+1", "=", " ", " 2", "2", "2\n"])
        >>> words.score("1+1= 2", np.array([0, 0, 0, 0, 0, 2], np.int8))
        ([0, 1, 3], array([False, False,  True]))
        >>> words.score("1+1=2\n", np.array([0, 0, 0, 0, 2, 0], np.int8))
        ([0, 1, 5], array([False, False, False]))
        """
        tokens, spans = self.encode(text, _cuts(text, marks))
        begins, ends = np.array(spans, dtype=np.int64).reshape(-1, 2).T
        spaces = np.frombuffer(text.encode("utf-32-le"), dtype="<u4") == ord(" ")
        led = begins < ends
        led[led] = spaces[begins[led]] & (marks[begins[led]] == 0)
        begins = begins + led
        given, decided = (np.concatenate([[0], np.cumsum(marks == mark)]) for mark in (0, 2))
        scored = (given[ends] == given[begins]) & (decided[ends] > decided[begins])
        return tokens, scored


def _cuts(text: str, marks: NDArray[np.int8]) -> list[int]:
    """Where a tokenizer that hides its spans is called anew: before what is decided, and at the end of answers."""
    ends = np.flatnonzero((marks[1:] == 0) & (marks[:-1] > 0)) + 1
    starts = [at - (at > 0 and text[at - 1] == " " and not marks[at - 1]) for at in np.flatnonzero(marks == 2).tolist()]
    return sorted({0, len(text), *ends.tolist(), *starts})
