"""The text of token ids, for people: no reading depends on it."""

from __future__ import annotations

import json
from pathlib import Path

from zeeman.errors import ZeemanError


def read_vocabulary(file: Path) -> tuple[str, ...]:
    """Read what each token id stands for.

    Parameters
    ----------
    file : Path
        A JSON list of strings, that of id 0 first, or the ``tokenizer.json`` of a model on Hugging Face.

    Returns
    -------
    tuple of str

    Raises
    ------
    ZeemanError
        If the file can't be read or holds neither.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "v.json").write_text('["a", " the"]')
    ...     read_vocabulary(Path(folder, "v.json"))
    ('a', ' the')
    """
    try:
        text = file.read_text(encoding="utf-8")
        content = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise ZeemanError(
            f"the vocabulary {file} cannot be read ({error}); expected a JSON list of strings or a tokenizer.json."
        ) from error
    if isinstance(content, list) and content and all(isinstance(one, str) for one in content):
        return tuple(content)
    if isinstance(content, dict):
        return _of_tokenizer(file, text)
    raise ZeemanError(
        f"the vocabulary {file} holds no list of strings; expected a JSON list of strings or a tokenizer.json."
    )


def _of_tokenizer(file: Path, text: str) -> tuple[str, ...]:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_str(text)
    except Exception as error:  # the library raises nothing narrower
        raise ZeemanError(
            f"the vocabulary {file} is no tokenizer ({error}); expected a JSON list of strings or a tokenizer.json."
        ) from error
    count = tokenizer.get_vocab_size()
    return tuple(tokenizer.decode([token], skip_special_tokens=False) for token in range(count))
