"""All four sources give the same weights back, and what can't be read is told in one sentence."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
import torch
from torch import nn

from hub import serving
from zeeman.errors import ZeemanError
from zeeman.subjects import Checkpoint, Recorder, Series
from zeeman.subjects.huggingface import match_revisions

TOKENS = torch.arange(8)[None]
SIZES = {"in_features": 3, "out_features": 2}


def config(kind: str) -> Any:
    from transformers import GPT2Config, GPTNeoXConfig

    if kind == "gpt2":  # tied embeddings
        return GPT2Config(vocab_size=16, n_positions=8, n_embd=8, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0)
    sizes = {"vocab_size": 16, "hidden_size": 8, "intermediate_size": 16, "max_position_embeddings": 8}
    return GPTNeoXConfig(**sizes, num_hidden_layers=1, num_attention_heads=2, bos_token_id=0, eos_token_id=0)


def language_model(kind: str, step: int) -> Any:
    from transformers import AutoModelForCausalLM

    with torch.random.fork_rng():
        torch.manual_seed(step)
        return AutoModelForCausalLM.from_config(config(kind)).eval()


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(TOKENS).logits
    return found


def save(folder: Path, kind: str, step: int, layout: str = "single") -> None:
    model = language_model(kind, step)
    if layout == "half":
        model = model.bfloat16()
    if layout == "bin":
        model.config.save_pretrained(folder)
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
    else:
        model.save_pretrained(folder, max_shard_size="2KB" if layout == "sharded" else "5GB")


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    model = nn.Linear(3, 2)
    with Recorder(tmp_path / "run", model, factory=nn.Linear, config=SIZES, name="a run") as recorder:
        for step in range(8):
            with torch.no_grad():
                model.weight.fill_(step)
            recorder.step(step, 1.0)
    return tmp_path / "run"


def test_a_recorded_folder(recorded: Path) -> None:
    (recorded / ".step00000009.123").mkdir()  # what a killed training may leave
    (recorded / "notes").mkdir()
    series = Series.from_folder(recorded)
    assert series.name == "a run"
    assert series.steps == [0, 1, 2, 3, 5, 7]
    assert (len(series), [c.step for c in series]) == (6, series.steps)
    assert [row["step"] for row in series.record] == series.steps
    model = series.model(series.at(5))
    assert isinstance(model, nn.Linear)
    assert bool((model.weight == 5).all())
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert Series.from_folder(recorded, partial(nn.Linear, 3, 2)).steps == Series.from_spec(str(recorded)).steps


@pytest.mark.parametrize("layout", ["single", "sharded", "bin"])
@pytest.mark.parametrize("kind", ["gpt2", "neox"])
@pytest.mark.parametrize("name", ["checkpoint-{}", "step{}"])
def test_a_folder_of_hugging_face_checkpoints(tmp_path: Path, kind: str, layout: str, name: str) -> None:
    for step in (1000, 500):
        save(tmp_path / name.format(step), kind, step, layout)
    series = Series.from_folder(tmp_path)
    assert series.steps == [500, 1000]
    for checkpoint in series:
        expected = language_model(kind, checkpoint.step)
        assert torch.equal(logits(series.model(checkpoint)), logits(expected))
    assert series.verify().flags == ()


def test_half_precision_is_widened_exactly(tmp_path: Path) -> None:
    save(tmp_path / "step1", "gpt2", 1, "half")
    series = Series.from_folder(tmp_path)
    expected = language_model("gpt2", 1).bfloat16().float()
    model = series.model(series.at(1))
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert torch.equal(logits(model), logits(expected))


def test_a_local_folder_of_revisions(tmp_path: Path) -> None:
    for step in (0, 1, 512, 1000):
        save(tmp_path / "pythia" / f"step{step}", "neox", step)
    (tmp_path / "pythia" / "main").mkdir()
    for spec, steps in [("step{0..600}", [0, 1, 512]), ("step{1000,0}", [0, 1000]), ("step512", [512])]:
        series = Series.from_spec(f"{tmp_path}/pythia@{spec}")
        assert series.steps == steps
        assert series.name == "pythia"
    series = Series.from_huggingface(tmp_path / "pythia", ["step512", "step0"])
    assert series.steps == [0, 512]
    assert torch.equal(logits(series.model(series.at(512))), logits(language_model("neox", 512)))


def test_state_dicts_are_copies() -> None:
    model = nn.Linear(3, 2)

    def training() -> Iterator[tuple[int, dict[str, torch.Tensor]]]:
        for step in (0, 1, 2):
            with torch.no_grad():
                model.weight.fill_(step)
            yield step, model.state_dict()

    series = Series.from_state_dicts(training(), partial(nn.Linear, 3, 2), name="mine")
    assert series.name == "mine"
    series.at(0).load()["weight"].fill_(99)
    assert [float(checkpoint.load()["weight"][0, 0]) for checkpoint in series] == [0, 1, 2]


@pytest.mark.parametrize("source", ["run", "checkpoints", "states"])
def test_series_survive_the_way_to_a_worker(tmp_path: Path, recorded: Path, source: str) -> None:
    save(tmp_path / "hf" / "step7", "gpt2", 7)
    series = {
        "run": lambda: Series.from_folder(recorded),
        "checkpoints": lambda: Series.from_folder(tmp_path / "hf"),
        "states": lambda: Series.from_state_dicts([(7, nn.Linear(3, 2).state_dict())], partial(nn.Linear, 3, 2)),
    }[source]()
    again = pickle.loads(cloudpickle.dumps(series))
    assert [c.digest for c in again] == [c.digest for c in series]
    assert again.model(again.at(7)).training is False


def test_making_models_leaves_the_random_generators(tmp_path: Path, recorded: Path) -> None:
    save(tmp_path / "hf" / "step7", "gpt2", 7)
    for folder in (recorded, tmp_path / "hf"):
        series = Series.from_folder(folder)
        state = torch.get_rng_state()
        series.model(series.at(7))
        assert torch.equal(state, torch.get_rng_state())


def test_unknown_steps_list_those_that_exist(recorded: Path) -> None:
    with pytest.raises(ZeemanError, match="no checkpoint at step 4; it has 0, 1, 2, 3, 5, 7"):
        Series.from_folder(recorded).at(4)


def test_empty_and_double_steps() -> None:
    with pytest.raises(ZeemanError, match="needs at least one checkpoint"):
        Series.from_state_dicts([], nn.Identity)
    twice = tuple(Checkpoint(1, dict, source) for source in ("here", "there"))
    with pytest.raises(ZeemanError, match="Step 1 of series 'x' is there twice, in here and in there"):
        Series("x", twice, nn.Identity)


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (partial(nn.Linear, 4, 2), r"'weight' has shape \(2, 3\) in the checkpoint and \(2, 4\) in the model"),
        (partial(nn.Linear, 3, 2, bias=False), "the model has no 'bias'"),
        (partial(nn.Bilinear, 3, 3, 2), "has shape"),
        (partial(nn.BatchNorm1d, 2), "it has no 'num_batches_tracked'"),
    ],
)
def test_weights_that_do_not_fit(recorded: Path, make: Callable[[], nn.Module], fault: str) -> None:
    (recorded / "step00000000" / "config.json").touch()
    series = Series.from_folder(recorded, make)
    with pytest.raises(ZeemanError, match=fault) as caught:
        series.model(series.at(3))
    assert "The checkpoint at step 3" in str(caught.value)
    assert "\n" not in str(caught.value)


def spoil(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def refused(call: Callable[[], object], *said: str | Path) -> None:
    """One sentence, with these words."""
    with pytest.raises(ZeemanError) as caught:
        call()
    for word in said:
        assert str(word) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_folders_that_hold_no_series(tmp_path: Path) -> None:
    refused(lambda: Series.from_folder(tmp_path / "absent"), tmp_path / "absent", "is not a folder")
    refused(lambda: Series.from_spec(str(tmp_path / "absent")), "is not a folder")
    refused(lambda: Series.from_folder(tmp_path), tmp_path, "has no checkpoints", "checkpoint-500")
    (tmp_path / "series.json").write_text("{}")
    refused(lambda: Series.from_folder(tmp_path), "has no checkpoints")
    refused(lambda: Series.from_spec("EleutherAI/pythia-14m@"), "repository@revisions")


def test_checkpoints_cut_short(tmp_path: Path, recorded: Path) -> None:
    file = recorded / "step00000003" / "model.safetensors"
    late = Series.from_folder(recorded)
    spoil(file)
    refused(lambda: Series.from_folder(recorded), file, "damaged or cut short", "fetch it again")
    refused(late.verify, file, "damaged or cut short")
    file.unlink()
    refused(late.verify, file)
    refused(lambda: Series.from_folder(recorded), file.parent, "has no model.safetensors")
    for layout, name in (("single", "model.safetensors"), ("bin", "pytorch_model.bin")):
        save(tmp_path / layout / "checkpoint-5", "gpt2", 5, layout)
        spoil(tmp_path / layout / "checkpoint-5" / name)
        refused(lambda at=tmp_path / layout: Series.from_folder(at).verify(), tmp_path / layout, "damaged or cut short")


def test_hugging_face_checkpoints_that_lack_weights(tmp_path: Path) -> None:
    """Transformers would fill them in at random."""
    save(tmp_path / "step1", "neox", 1, "bin")
    file = tmp_path / "step1" / "pytorch_model.bin"
    state = torch.load(file)
    del state["gpt_neox.layers.0.mlp.dense_h_to_4h.weight"]
    torch.save(state, file)
    refused(Series.from_folder(tmp_path).at(1).load, "lacks 1 weights", "dense_h_to_4h")
    file.unlink()
    refused(Series.from_folder(tmp_path).at(1).load, tmp_path / "step1")


def test_shapes_that_differ(tmp_path: Path) -> None:
    for step, width in ((0, 3), (10, 4)):
        model = nn.Linear(width, 2)
        with Recorder(tmp_path / str(step), model) as recorder:
            recorder.step(step)
        shutil.move(tmp_path / str(step) / f"step{step:08d}", tmp_path)
    refused(
        lambda: Series.from_folder(tmp_path, partial(nn.Linear, 3, 2)),
        "not of one architecture",
        "'weight' has shape (2, 3)",
        "(2, 4)",
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": "other"}, "has format 'other'"),
        ({"version": 2}, "version 2, expected 'zeeman-series' version 1"),
        ({"factory": None}, "recorded without a factory; give make_model"),
        ({"factory": "nowhere:make"}, "'nowhere:make' can't be imported"),
        ({"factory": "subprocess:run"}, "must be a torch.nn.Module class"),
        ({"factory": "torch:load"}, "must be a torch.nn.Module class"),
    ],
)
def test_a_description_that_cannot_be_used(recorded: Path, change: dict[str, Any], said: str) -> None:
    about = json.loads((recorded / "series.json").read_text())
    (recorded / "series.json").write_text(json.dumps(about | change))
    refused(lambda: Series.from_folder(recorded), said)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": "zeeman-series"}', '"x"'])
def test_a_description_that_is_none(recorded: Path, text: str) -> None:
    (recorded / "series.json").write_text(text)
    refused(lambda: Series.from_folder(recorded), recorded / "series.json", "is not what zeeman.Recorder writes")


@pytest.mark.parametrize(
    "line",
    [
        "x",
        "[1]",
        '{"loss": 1}',
        '{"step": "1", "saved": true, "signals": {}}',
        '{"step": 1, "signals": [], "saved": true}',
        '{"step": 1, "loss": null, "signals": {"a": "b"}, "saved": true}',
        '{"step": 1, "loss": null, "signals": {}}',
    ],
)
def test_a_wrong_record_names_the_line(recorded: Path, line: str) -> None:
    file = recorded / "record.jsonl"
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines[:2], line, *lines[2:]]) + "\n")
    refused(lambda: Series.from_folder(recorded), "Line 3 of", file)


def test_a_torn_last_line_is_ignored(recorded: Path) -> None:
    text = (recorded / "record.jsonl").read_text()
    for cut in range(1, 40):
        (recorded / "record.jsonl").write_text(text[:-cut])
        assert len(Series.from_folder(recorded).record) == (6 if cut == 1 else 5)


def test_revisions() -> None:
    there = ["main", "step0", "step1", "step2", "step512", "step1000", "step143000", "stage1-step1000-tokens4B"]
    assert match_revisions("step{0..143000}", there, "r") == [
        "step0",
        "step1",
        "step2",
        "step512",
        "step1000",
        "step143000",
    ]
    assert match_revisions("stage1-step{0..2000}-tokens4B", there, "r") == ["stage1-step1000-tokens4B"]
    assert match_revisions(["step2", "step0"], there, "r") == ["step2", "step0"]
    refused(
        lambda: match_revisions("step{0,3}", there, "some/repo"), "some/repo has no revision step3; it has main, step0"
    )
    refused(lambda: match_revisions("step{2000..3000}", there, "some/repo"), "no revision step{2000..3000}")
    refused(lambda: match_revisions([], there, "some/repo"), "no revision")


FROM_HUB = """
import sys
from zeeman.errors import ZeemanError
from zeeman.subjects import Series
series = Series.from_spec("lab/tiny@step{0..600}")
print(series.steps, series.name)
print("fetched", flush=True); sys.stdin.readline()
for checkpoint in series:
    print(checkpoint.digest, series.model(checkpoint).training)
for spec in ("lab/tiny@step{0,7}", "lab/absent@step{0..600}"):
    try:
        Series.from_spec(spec)
    except ZeemanError as error:
        print(error)
"""


def test_a_hub(tmp_path: Path) -> None:
    """The real client, against a hub on this machine: revisions are listed, then fetched one by one when loaded."""
    for step in (0, 512, 1000):
        save(tmp_path / "hub" / f"step{step}", "neox", step)
    with (
        serving(tmp_path / "hub", tmp_path / "home") as (there, asked),
        subprocess.Popen(
            [sys.executable, "-c", FROM_HUB],
            env=there,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "[0, 512] tiny\n"
        assert process.stdout.readline() == "fetched\n"
        assert not [path for path in asked if "safetensors" in path]
        process.stdin.write("\n")
        process.stdin.flush()
        lines = process.stdout.read().splitlines()
    expected = Series.from_huggingface(tmp_path / "hub", "step{0..600}")
    assert lines[:2] == [f"{checkpoint.digest} False" for checkpoint in expected]
    assert lines[2].startswith("lab/tiny has no revision step7; it has step0, step512, step1000")
    assert lines[3].startswith("lab/absent can't be fetched (RepositoryNotFoundError")
    assert len(lines) == 4
