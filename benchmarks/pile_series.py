"""A small Pythia from scratch on the mini-pile, examined over all its checkpoints: from text to a table of stages.

Usage, from the root, each part after the one before:

    zeeman corpus build --out CORPUS
    OMP_NUM_THREADS=1 python -m benchmarks.pile_series train CORPUS FOLDER
    OMP_NUM_THREADS=1 python -m benchmarks.pile_series examine CORPUS FOLDER
    python -m benchmarks.pile_page

A GPT-NeoX of 4 layers, width 128 and 4,096 tokens (1.8 M weights) trains on 21 kinds of text in equal parts; the live
device records checkpoints, log-spaced and denser where the held-out loss of a kind of text moves.

It is examined in two parts: at every checkpoint the battery and the learning coefficient of all weights, from which
the stages are found; then before and after the main one that has checkpoints with healthy chains on both sides the
susceptibilities of all heads and perceptrons to a few probes. Settings were chosen by what the verdicts said of short
chains at steps 196 and 418.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from zeeman.console import write_report
from zeeman.examination import (
    LLC,
    Behaviours,
    Examination,
    Progress,
    SamplerSettings,
    Susceptibilities,
    document,
    examine,
)
from zeeman.examination.transitions import Transition, find_transitions, telling_steps
from zeeman.probes import Library, Probe, builtin_library
from zeeman.probes.windows import library_from_text
from zeeman.subjects import Recorder, Series, list_components

VOCABULARY, CONTEXT, BATCH = 4096, 256, 32
STEPS, WARMUP, LR, FLOOR = 2000, 100, 3e-3, 0.1
HELD_OUT_ROWS = 4
END = "<|endoftext|>"
WINDOW, ROWS, FEW_ROWS, DATA_ROWS = 64, 16, 3, 252
ASKED = (
    "induction-1", "induction-2", "induction-words-1", "copy-1", "counting-1", "numerals-1", "sequence-1", "sequence-2",
    "brackets-1", "quotation-1", "tags-1", "delimiters-1", "indentation-1", "agreement-1", "agreement-2",
    "determiner-1", "plural-1", "past-1", "pronoun-1", "phrases-1", "capitals-1", "case-1", "noise-letters",
    "noise-words",
)  # fmt: skip
"""Of the built-in library: what text of these kinds could teach a model this small, and two noise floors."""
TILTS = (
    "code_python", "formal_metamath", "tables", "dictionary", "french", "novels", "legal", "tex_maths", "repeats",
    "agreement-1", "indentation-1", "noise-letters",
)  # fmt: skip
"""What susceptibilities are read to, in few rows: kinds of text, and what the battery showed to be learned late."""
WHOLE = SamplerSettings(
    n_beta=1000.0, localization=3000.0, lr=3e-5, num_chains=3, num_draws=54, num_burnin_steps=36, num_steps_bw_draws=1,
    batch_size=8,
)  # fmt: skip
PARTS = SamplerSettings(
    n_beta=1000.0, localization=300.0, lr=2e-4, num_chains=3, num_draws=8, num_burnin_steps=24, num_steps_bw_draws=2,
    batch_size=8,
)  # fmt: skip
KEPT = ("step", "loading", "components", "probes", "verdicts", "rho", "rho_se", "null", "rho_reliability")
OUT = Path(__file__).with_suffix(".json")


def train(corpus: Path, folder: Path, steps: int) -> None:
    """Train the model, recorded into ``FOLDER/run``."""
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    streams, held_out = tokens_of(corpus, folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = GPTNeoXForCausalLM(
            GPTNeoXConfig(
                vocab_size=VOCABULARY, hidden_size=128, num_hidden_layers=4, num_attention_heads=4,
                intermediate_size=512, max_position_embeddings=CONTEXT, use_cache=False, bos_token_id=0, eos_token_id=0,
            )
        )  # fmt: skip
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR, betas=(0.9, 0.95), weight_decay=0.1)
    rng = np.random.default_rng(0)
    names = sorted(streams)
    begun, watched = time.monotonic(), 0.0

    def watch(model: torch.nn.Module) -> Mapping[str, float]:
        nonlocal watched
        since = time.monotonic()
        losses = {name: float(loss_of(model, held_out[name])) for name in names}
        watched += time.monotonic() - since
        return losses

    recorder = Recorder(
        folder / "run", model, watch=watch, watch_every=20, ratio=1.22, sensitivity=0.4, name="mini-pile"
    )
    with recorder:
        for step in range(steps + 1):
            for group in optimizer.param_groups:
                group["lr"] = rate(step, steps)
            loss = loss_of(model, batch(rng, [streams[name] for name in names]))
            recorder.step(step, loss)
            if step < steps:
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
            if step % 20 == 0:
                spent = time.monotonic() - begun
                print(f"{step} loss {loss.item():.3f}, {spent:.0f} s of which {watched:.0f} to watch", flush=True)
    about = {
        "steps": steps, "tokens": steps * BATCH * CONTEXT, "weights": sum(p.numel() for p in model.parameters()),
        "seconds": round(time.monotonic() - begun), "seconds_to_watch": round(watched),
        "stream_tokens": {name: len(streams[name]) for name in names}, "torch": torch.__version__,
    }  # fmt: skip
    (folder / "trained.json").write_text(json.dumps(about, indent=1) + "\n")


def rate(step: int, steps: int) -> float:
    """Learning rate: a linear warm-up, then a cosine down to a tenth."""
    if step < WARMUP:
        return LR * (step + 1) / WARMUP
    gone = (step - WARMUP) / max(steps - WARMUP, 1)
    return LR * (FLOOR + (1 - FLOOR) * (1 + math.cos(math.pi * gone)) / 2)


def batch(rng: np.random.Generator, streams: list[np.ndarray[Any, Any]]) -> torch.Tensor:
    """Windows at random places, of each kind of text with equal chance."""
    chosen = [streams[kind] for kind in rng.integers(len(streams), size=BATCH)]
    begins = [int(rng.integers(len(stream) - CONTEXT)) for stream in chosen]
    return torch.from_numpy(
        np.stack([s[b : b + CONTEXT] for s, b in zip(chosen, begins, strict=True)]).astype(np.int64)
    )


def loss_of(model: torch.nn.Module, tokens: torch.Tensor) -> torch.Tensor:
    """Mean loss in nats, the forward pass in bfloat16, which this processor multiplies faster."""
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(tokens).logits[:, :-1]
    return functional.cross_entropy(logits.float().flatten(0, 1), tokens[:, 1:].flatten())


def tokens_of(corpus: Path, folder: Path) -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, torch.Tensor]]:
    """Give a stream of training tokens of each kind of text, and windows of its held-out documents."""
    place = folder / "tokens.npz"
    if not place.exists():
        folder.mkdir(parents=True, exist_ok=True)
        tokenize(corpus, folder, place)
    with np.load(place) as held:
        streams = {name[6:]: held[name] for name in held.files if name.startswith("train/")}
        others = {name[9:]: held[name] for name in held.files if name.startswith("held_out/")}
    windows = {
        name: torch.from_numpy(
            np.stack([part[b : b + CONTEXT] for b in np.linspace(0, len(part) - CONTEXT, HELD_OUT_ROWS).astype(int)])
        ).long()
        for name, part in others.items()
    }
    return streams, windows


def tokenize(corpus: Path, folder: Path, place: Path) -> None:
    """Train a tokenizer of byte pairs on training text, and encode everything with it."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import PreTrainedTokenizerFast

    texts: dict[str, list[str]] = {}
    for file in sorted(corpus.glob("*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            texts.setdefault(("train/" if row["split"] == "train" else "held_out/") + file.stem, []).append(row["text"])
    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train_from_iterator(
        (text[:20_000] for name, part in texts.items() if name.startswith("train/") for text in part[:60]),
        vocab_size=VOCABULARY, special_tokens=[END], show_progress=False,
    )  # fmt: skip
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer._tokenizer, bos_token=END, eos_token=END)
    wrapped.save_pretrained(folder / "tokenizer")
    encoded: dict[str, Any] = {}
    for name, part in texts.items():
        ids = [[0, *one.ids] for one in tokenizer.encode_batch(part)]
        encoded[name] = np.concatenate([np.array(one, np.uint16) for one in ids])
    np.savez(place, **encoded)


def libraries(corpus: Path, folder: Path) -> tuple[Library, Library]:
    """Make the battery of all probes, and a small library of some of them for susceptibilities; both feel one data."""
    place, few = folder / "probes", folder / "tilts"
    if not (place / "library.toml").exists():
        tokenizer = folder / "tokenizer"
        text = library_from_text(corpus, tokenizer, name="mini-pile", context=WINDOW, rows=ROWS, data_rows=DATA_ROWS)
        asked = builtin_library(ASKED, tokenizer / "tokenizer.json", rows=ROWS, length=WINDOW)
        battery = Library.from_probes("battery", text.data, [*text, *asked, repeats()], text.vocabulary)
        battery.to_folder(place)
    battery = Library.from_folder(place)
    chosen = [battery[name] for name in TILTS]
    cut = [Probe(p.name, p.inputs[:FEW_ROWS], p.scored[:FEW_ROWS], p.concepts, p.metric) for p in chosen]
    if not (few / "library.toml").exists():
        Library.from_probes("tilts", battery.data, cut, battery.vocabulary).to_folder(few)
    return battery, Library.from_folder(few)


def repeats() -> Probe:
    """Random tokens twice over, of which the second half is asked for: only looking back can help."""
    rng = np.random.default_rng(0)
    half = rng.integers(1, VOCABULARY, size=(ROWS, WINDOW // 2))
    scored = np.zeros((ROWS, WINDOW), np.bool_)
    scored[:, WINDOW // 2 + 1 :] = True
    return Probe("repeats", np.concatenate([half, half], axis=1), scored, ("induction",))


def examine_series(corpus: Path, folder: Path) -> None:
    """Examine what is there of the series, and keep what was found."""
    battery, tilts = libraries(corpus, folder)
    series = Series.from_folder(folder / "run")
    begun = time.process_time()
    whole = examine(
        series, battery, folder / "examination", settings=WHOLE, devices=[LLC(), Behaviours()], on_progress=tell
    )
    middle = time.process_time()
    stages = [*whole.transitions, *whole.behaviour_changes]
    ends = {step for one in stages for step in one.interval}
    steps = tuple(step for step in telling_steps(stages, trusted(whole) or series.steps) if step in ends)
    print(f"susceptibilities at steps {steps}", flush=True)
    found = list_components(series.model(series.checkpoints[-1]))
    components = tuple(name for name in found if "h" in name and " " not in name) + tuple(
        name for name in found if name.endswith(" mlp")
    )
    parts = examine(
        series, tilts, folder / "susceptibilities", settings=PARTS, devices=[Susceptibilities(steps, components)],
        on_progress=tell,
    )  # fmt: skip
    seconds = spent(folder, {"whole": middle - begun, "parts": time.process_time() - middle})
    both = together(whole, parts)
    content = document(both)
    whole.store.write_reading("document", content)
    print(write_report(content, folder / "report.html"))
    OUT.write_text(json.dumps(summary(folder, content, both, steps, seconds), indent=1) + "\n")


def spent(folder: Path, now: dict[str, float]) -> dict[str, int]:
    """Add CPU seconds to those of runs before this one, since an examination that was stopped goes on."""
    path = folder / "seconds.json"
    before = json.loads(path.read_text()) if path.exists() else {}
    total = {name: round(before.get(name, 0) + value) for name, value in now.items()}
    path.write_text(json.dumps(total))
    return total


def summary(
    folder: Path, content: dict[str, Any], found: Examination, steps: tuple[int, ...], seconds: dict[str, int]
) -> dict[str, Any]:
    """What is committed: curves, readings, stages and how the chains were."""
    trained = folder / "trained.json"
    verdicts: dict[str, dict[str, int]] = {}
    for reading in found.readings:
        if reading.name in ("llc", "rho"):
            kind = reading.name if reading.name == "llc" else f"rho {reading.coordinates['loading']}"
            counts = verdicts.setdefault(kind, {})
            counts[reading.verdict.name.lower()] = counts.get(reading.verdict.name.lower(), 0) + 1
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "trained": json.loads(trained.read_text()) if trained.exists() else None,
        "settings": {"whole": asdict(WHOLE), "parts": asdict(PARTS)},
        "cpu_seconds": seconds,
        "headline": content["headline"],
        "flags": content["series"]["flags"],
        "curves": rounded(content["training"]),
        "llc": rounded(content["llc"]),
        "behaviours": rounded(content["behaviours"]),
        "stages": rounded([stage(t) for t in (*found.transitions, *found.behaviour_changes)]),
        "susceptibility": rounded([{k: one[k] for k in KEPT if k in one} for one in content["susceptibility"]]),
        "susceptibility_steps": list(steps),
        "verdicts": verdicts,
    }


def stage(found: Transition) -> dict[str, Any]:
    """A transition with its pulses, matches of the probes that moved, and components."""
    return {
        "interval": list(found.interval),
        "date": found.date,
        "flagged": found.flagged,
        "pulses": {name: asdict(pulse) for name, pulse in found.signals.items()},
        "matches": {name: asdict(match) for name, match in found.matches.items()},
        "components": [asdict(move) for move in found.components],
    }


def rounded(value: Any) -> Any:
    """Figures to five digits, which is more than any of them holds."""
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(each) for each in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


def tell(progress: Progress) -> None:
    if progress.done % 20 == 0:
        print(f"{progress.done} of {progress.total} units", flush=True)


def trusted(found: Examination) -> list[int]:
    return [r.provenance.step for r in found.of("llc") if r.verdict.trusted and r.provenance]


def together(whole: Examination, parts: Examination) -> Examination:
    """One examination of both parts: transitions of the first, with the components that the second saw move."""
    readings = (*whole.readings, *parts.readings)
    found = find_transitions(readings, whole.verification.flagged_edges)
    led = tuple(t for t in found if "llc" in t.signals)
    return replace(
        whole, readings=readings, transitions=led, behaviour_changes=tuple(t for t in found if "llc" not in t.signals)
    )


def main() -> None:
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    training = commands.add_parser("train")
    training.add_argument("corpus", type=Path)
    training.add_argument("folder", type=Path)
    training.add_argument("--steps", type=int, default=STEPS)
    examining = commands.add_parser("examine")
    examining.add_argument("corpus", type=Path)
    examining.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "train":
        train(arguments.corpus, arguments.folder, arguments.steps)
    else:
        examine_series(arguments.corpus, arguments.folder)


if __name__ == "__main__":
    main()
