"""Scores of imported task files beside those of lm-evaluation-harness, on the same models.

Usage: OMP_NUM_THREADS=1 python benchmarks/lm_eval.py --peer-python PYTHON

PYTHON is the interpreter of a virtual environment that holds lm_eval 0.4.13. Two small random models with local
tokenizers are made (GPT-NeoX with byte pairs, GPT-2 with single bytes), and tasks of each kind on made-up text: fields
and templates, answers by place and by text, contexts that are chosen, empty, end in blanks or are too long, documents
of many windows, letters beyond ASCII. Theirs is ``simple_evaluate``; ours is what a user runs: ``import_tasks``, and
the behaviours of ``examine``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

CONTEXT = {"gpt_neox": 96, "gpt2": 320}  # tokens, which are bytes for the second
WORDS = 'the a river stone ab abab counts naïve über 東京 seven 7 12 blue, runs. (so) "yes" it\'s x=3; forest then'
TASKS: dict[str, str] = {
    "by_place": """
output_type: multiple_choice
description: "Choose {{what}}.\\n\\n"
doc_to_text: "Question: {{question}}\\nAnswer:"
doc_to_target: label
doc_to_choice: answers
metric_list: [{metric: acc}, {metric: acc_norm}, {metric: acc_bytes}, {metric: exact_match}]
""",
    "by_text": """
output_type: multiple_choice
doc_to_text: question
doc_to_target: "{{answers[label]}}"
doc_to_choice: "{{answers + ['none of these']}}"
target_delimiter: "\\n"
""",
    "contexts": """
output_type: multiple_choice
doc_to_text: "{{label}}"
doc_to_target: "{{question}}"
doc_to_choice: answers
metric_list: [{metric: acc}, {metric: acc_norm}]
""",
    "cloze": """
output_type: loglikelihood
doc_to_text: start
doc_to_target: "{{end}}"
""",
    "pages": """
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{page | regex_replace('seven', '7')}}"
""",
}


def text(rng: np.random.Generator, low: int, high: int) -> str:
    return " ".join(rng.choice(WORDS.split(" "), rng.integers(low, high)))


def make(folder: Path) -> None:
    rng = np.random.default_rng(0)
    choices = []
    for _ in range(300):
        answers = list(dict.fromkeys(text(rng, 1, 6) + f" {k}" for k in "abc"))
        choices.append(
            {"question": text(rng, 3, 40), "answers": answers, "label": int(rng.integers(3)), "what": text(rng, 1, 3)}
        )
    starts = [text(rng, 1, 60) + " " * int(rng.integers(0, 3)) for _ in range(200)]
    cloze = [{"start": s, "end": (" " if s == s.rstrip() else "") + text(rng, 1, 4)} for s in starts]
    cloze += [{"start": "", "end": text(rng, 1, 4)} for _ in range(20)]
    pages = [{"page": text(rng, 1, 400)} for _ in range(40)] + [{"page": "a"}, {"page": "\n one\t two \n"}]
    docs = {"by_place": choices, "by_text": choices, "contexts": choices, "cloze": cloze, "pages": pages}
    for name, body in TASKS.items():
        file = folder / f"{name}.jsonl"
        file.write_text("".join(json.dumps(doc) + "\n" for doc in docs[name]))
        head = f"task: {name}\ndataset_path: json\ndataset_kwargs:\n  data_files:\n    test: {file}\ntest_split: test\n"
        (folder / f"{name}.yaml").write_text(head + body)
    for kind in CONTEXT:
        make_model(folder / kind / "step0", kind, [doc["page"] for doc in pages])


def make_model(folder: Path, kind: str, texts: list[str]) -> None:
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400 if kind == "gpt_neox" else 257,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator(texts, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<|endoftext|>")
    tokenizer.save_pretrained(folder)
    config = AutoConfig.for_model(
        kind,
        vocab_size=raw.get_vocab_size(),
        hidden_size=64,
        num_hidden_layers=2,
        max_position_embeddings=CONTEXT[kind],
        initializer_range=0.2,
        eos_token_id=0,
        bos_token_id=0,
        num_attention_heads=4,
        **({"intermediate_size": 128} if kind == "gpt_neox" else {}),
    )
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).eval().save_pretrained(folder)


def theirs(folder: Path, kind: str) -> dict[str, Any]:
    sys.path.pop(0)  # this folder, where lm_eval would be this script
    import lm_eval
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    size: dict[str, Any] = {"max_length": CONTEXT[kind] - 1, "batch_size": 16}
    model = HFLM(pretrained=str(folder / kind / "step0"), device="cpu", dtype="float32", **size)
    manager = TaskManager(include_path=str(folder), include_defaults=False)
    found = lm_eval.simple_evaluate(model=model, tasks=list(TASKS), task_manager=manager, bootstrap_iters=2)
    return {"version": lm_eval.__version__, "results": found["results"]}


def ours(folder: Path, kind: str, tasks: Sequence[str] = tuple(TASKS)) -> dict[str, dict[str, float]]:
    from zeeman import examine
    from zeeman.examination import Behaviours, SamplerSettings
    from zeeman.probes.tasks import import_tasks
    from zeeman.subjects import Series

    paths = [folder / f"{name}.yaml" for name in tasks]
    library = import_tasks(paths, folder / kind / "step0", context=CONTEXT[kind])
    found = examine(
        Series.from_folder(folder / kind),
        library,
        folder / f"{kind}.store",
        devices=[Behaviours()],
        settings=SamplerSettings(batch_size=8),
    )
    result: dict[str, dict[str, float]] = {}
    for reading in found.of("behaviour"):
        task, metric = reading.coordinates["probe"].rsplit(".", 1)
        result.setdefault(task, {}).update({metric: reading.value, f"{metric}_stderr": reading.standard_error})
    return result


def compare(ours: dict[str, dict[str, float]], theirs: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    rows = {}
    for task, metrics in ours.items():
        for metric, value in metrics.items():
            other = theirs[task].get(f"{metric},none")
            if metric.endswith("_stderr") and ("perplexity" in metric or "bits" in metric):
                continue  # theirs are drawn by chance, or not given
            difference = abs(value - other) / abs(other or 1)
            rows[f"{task} {metric}"] = {"zeeman": value, "lm_eval": other, "relative": difference}
    scores = {f"{task} {name[:-5]}" for task in theirs for name in theirs[task] if name.endswith(",none")}
    missing = {s for s in scores - rows.keys() if not s.endswith("_stderr")}
    assert not missing, missing
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer-python", required=True)
    parser.add_argument("--theirs", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.theirs:
        (arguments.folder / f"{arguments.theirs}.json").write_text(
            json.dumps(theirs(arguments.folder, arguments.theirs), default=str)
        )
        return
    result: dict[str, Any] = {"date": datetime.now(UTC).date().isoformat(), "models": {}}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder)
        for kind in CONTEXT:
            command = [arguments.peer_python, __file__, "--peer-python", "", "--theirs", kind, "--folder", name]
            offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": f"{name}/home", "PYTHONPATH": ""}
            subprocess.run(command, check=True, env=os.environ | offline, stdout=sys.stderr)
            peer = json.loads((folder / f"{kind}.json").read_text())
            result["lm_eval"] = peer["version"]
            result["models"][kind] = compare(ours(folder, kind), peer["results"])
    worst = max(row["relative"] for model in result["models"].values() for row in model.values())
    result["largest_relative_difference"] = worst
    path = Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(path.read_text())


if __name__ == "__main__":
    main()
