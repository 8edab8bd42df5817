"""The tokenizer of a model, as transformers reads it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from zeeman.errors import ZeemanError


@dataclass(frozen=True)
class Tokenizer:
    """Text to token ids, as evaluations make them.

    Parameters
    ----------
    held : PreTrainedTokenizerBase
        A tokenizer of transformers.
    """

    held: Any

    @classmethod
    def open(cls, source: str | os.PathLike[str]) -> Tokenizer:
        """Read a tokenizer.

        Parameters
        ----------
        source : path or str
            A folder that holds one, a ``tokenizer.json``, or the name of a model on Hugging Face.

        Raises
        ------
        ZeemanError
            If there is none.
        """
        from transformers import AutoTokenizer, PreTrainedTokenizerFast

        try:
            if Path(source).is_file():
                return cls(PreTrainedTokenizerFast(tokenizer_file=os.fspath(source)))
            return cls(AutoTokenizer.from_pretrained(os.fspath(source)))
        except Exception as error:  # the library raises what its many formats raise
            reason = str(error).strip().split("\n")[0]
            raise ZeemanError(
                f"{source} holds no tokenizer ({reason}); expected a folder with one, a tokenizer.json, or the name of "
                "a model on Hugging Face."
            ) from error

    @cached_property
    def vocabulary(self) -> tuple[str, ...]:
        """What each token id stands for."""
        return tuple(self.held.decode([token], skip_special_tokens=False) for token in range(len(self.held)))

    @property
    def has_prefix(self) -> bool:
        """Whether there is a `prefix`."""
        return self.held.bos_token_id is not None or self.held.eos_token_id is not None

    @cached_property
    def prefix(self) -> int:
        """What stands before a text that has nothing before it: the beginning of text, or its end.

        Raises
        ------
        ZeemanError
            If the tokenizer has neither.
        """
        for token in (self.held.bos_token_id, self.held.eos_token_id):
            if token is not None:
                return int(token)
        raise ZeemanError(
            f"{self.held.name_or_path or 'the tokenizer'} has no token for the beginning or end of a text, "
            "which a text with nothing before it needs; set bos_token or eos_token in its tokenizer_config.json."
        )

    def encode(self, text: str, *, special: bool = True) -> list[int]:
        """Encode a text.

        Parameters
        ----------
        text : str
        special : bool
            Add what the tokenizer adds by itself, unless the text begins with it.
        """
        if special and self.has_prefix:
            special = not text.startswith(self.held.decode([self.prefix]))
        ids: list[int] = self.held(text, add_special_tokens=special, verbose=False)["input_ids"]
        return ids

    def encode_pair(self, context: str, continuation: str) -> tuple[list[int], list[int]]:
        """Encode a text and what follows it, as lm-evaluation-harness cuts them.

        Both are encoded together and cut after as many tokens as the context has alone; blanks that end the context
        belong to what follows it. After an empty context stands `prefix`.

        Parameters
        ----------
        context, continuation : str

        Returns
        -------
        context, continuation : list of int
            The first is not empty.
        """
        if not context:
            after = self.encode(continuation, special=False)
            begins = after[:1] == [self.prefix]
            return [self.prefix], after[1:] if begins else after
        stem = context.rstrip()
        before = self.encode(stem)
        whole = self.encode(context + continuation)
        return before or [self.prefix], whole[len(before) :]
