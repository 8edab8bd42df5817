"""Revisions are fetched, read and evicted within a number of bytes; the real client, a hub on this machine."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import torch

from hub import serving
from zeeman.subjects import Series

STREAMED = """
import json, sys
from pathlib import Path
from zeeman.errors import ZeemanError
from zeeman.subjects import Checkpoint, Series
from zeeman.subjects.shelf import Shelf, cache_folder

size, kept = int(sys.argv[1]), []
shelf = cache_folder()
def used():
    return sum(path.stat().st_size for path in shelf.rglob("*") if path.is_file())
series = Series.from_spec("lab/tiny@step{0..9}", int(2.5 * size))
digests = []
for checkpoint in [*series, series.at(4), series.at(0)]:
    # A checkpoint remembers its digest; a fresh one reads the weights again.
    digests.append(Checkpoint(checkpoint.step, checkpoint.load, "").digest)
    kept.append(sorted(path.name for path in shelf.iterdir() if path.is_dir()))
    assert used() <= 2.5 * size, used()
flags = series.verify().flags
# A fetch that was killed, and one revision that others read meanwhile.
(shelf / "lab--tiny@step7").mkdir()
(shelf / "lab--tiny@step7" / "model.safetensors").write_bytes(b"x" * size)
with Shelf(shelf, int(2.5 * size))._held("lab/tiny", "step1") as place:
    fresh = Series.from_spec("lab/tiny@step{2,3}", int(2.5 * size))
    digests += [checkpoint.digest for checkpoint in fresh]
    held = (place / "model.safetensors").exists()
try:
    Series.from_spec("lab/tiny@step{0,1}", size // 2).at(0).load()
except ZeemanError as error:
    said = str(error)
print(json.dumps({"digests": digests, "kept": kept, "flags": len(flags), "held": held, "said": said, "used": used()}))
"""


def make(folder: Path, step: int) -> int:
    """A revision, with weights of a second form that nobody needs; gives the bytes that a load fetches."""
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    sizes = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 64, "max_position_embeddings": 8}
    with torch.random.fork_rng():
        torch.manual_seed(step)
        model = GPTNeoXForCausalLM(GPTNeoXConfig(**sizes, num_hidden_layers=2, num_attention_heads=2))
    model.save_pretrained(folder)
    needed = sum(path.stat().st_size for path in folder.iterdir())
    shutil.copy(folder / "model.safetensors", folder / "pytorch_model.bin")
    (folder / "tokenizer.json").write_text("{}")
    return needed


def test_revisions_are_streamed_within_a_budget(tmp_path: Path) -> None:
    size = max(make(tmp_path / "lab" / f"step{step}", step) for step in range(6))
    with serving(tmp_path / "lab", tmp_path / "home") as (there, asked):
        done = subprocess.run(
            [sys.executable, "-c", STREAMED, str(size)], env=there, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    expected = [checkpoint.digest for checkpoint in Series.from_huggingface(tmp_path / "lab", "step{0..9}")]
    order = [*range(6), 4, 0, 2, 3]
    assert found["digests"] == [expected[step] for step in order]
    # The longest unused goes first: reading 4 again, which is kept, fetches nothing and saves it from eviction.
    assert found["kept"][5] == found["kept"][6] == ["lab--tiny@step4", "lab--tiny@step5"]
    assert found["kept"][7] == ["lab--tiny@step0", "lab--tiny@step4"]
    assert found["held"]
    assert "more than the" in found["said"]
    assert found["used"] <= 2.5 * size
    assert not [path for path in asked if path.endswith((".bin", "tokenizer.json"))]
