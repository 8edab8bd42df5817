"""The digest is a function of names, dtypes, shapes and bytes, and of nothing else."""

from __future__ import annotations

import pytest
import torch

from zeeman.subjects import Checkpoint


def digest(**state: torch.Tensor) -> str:
    return Checkpoint(0, lambda: dict(state), "memory").digest


def test_order_of_names_step_source_and_memory_layout_do_not_matter() -> None:
    a, b = torch.randn(3, 4, generator=torch.Generator().manual_seed(0)), torch.arange(5)
    assert digest(a=a, b=b) == digest(b=b, a=a)
    assert digest(a=a.T.contiguous().T, b=torch.arange(10)[:5]) == digest(a=a, b=b)
    assert Checkpoint(7, lambda: {"a": a, "b": b}, "elsewhere").digest == digest(a=a, b=b)


def test_one_bit_of_weights_matters() -> None:
    a = torch.ones(1000)
    b = a.clone()
    b[517] = torch.nextafter(b[517], torch.tensor(2.0))
    assert digest(a=a) != digest(a=b)
    assert digest(a=torch.zeros(1)) != digest(a=-torch.zeros(1))


@pytest.mark.parametrize(
    "other",
    [
        {"b": torch.zeros(6)},
        {"a": torch.zeros(6, dtype=torch.int32)},
        {"a": torch.zeros(2, 3)},
        {"a": torch.zeros(6), "b": torch.zeros(0)},
    ],
)
def test_names_dtypes_shapes_and_empty_tensors_matter(other: dict[str, torch.Tensor]) -> None:
    assert digest(a=torch.zeros(6)) != digest(**other)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64, torch.int64, torch.bool])
def test_every_dtype_and_scalars_have_digests(dtype: torch.dtype) -> None:
    assert digest(a=torch.ones(2, 3, dtype=dtype)) != digest(a=torch.zeros(2, 3, dtype=dtype))
    assert digest(a=torch.tensor(1, dtype=dtype)) != digest(a=torch.ones(1, dtype=dtype))


def test_weights_are_loaded_for_the_digest_once() -> None:
    loads = []

    def load() -> dict[str, torch.Tensor]:
        loads.append(1)
        return {"a": torch.zeros(2)}

    checkpoint = Checkpoint(0, load, "memory")
    assert not loads
    assert checkpoint.digest == checkpoint.digest
    assert len(loads) == 1
