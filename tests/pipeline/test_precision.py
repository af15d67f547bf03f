"""A run has one precision, which is part of its cells and separates their rows and cached features."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from freeshot.cli import main
from freeshot.engine.vit import bf16
from freeshot.leaderboard.labels import configuration, labels
from freeshot.records.store import record_path

if TYPE_CHECKING:
    from tests.conftest import Toy


@pytest.mark.parametrize("method", ["frozen-prototype", "lora-recycle", "full-finetuning"])
def test_a_run_in_bfloat16_is_another_cell_with_a_similar_accuracy(toy: Toy, method: str) -> None:
    options = ("lrs=0.003", "steps=1", "trials=2") if method == "full-finetuning" else ()
    plain, half = (toy.record(method, options=options, precision=p) for p in ("fp32", "bf16"))
    assert (plain.status, half.status) == ("ok", "ok"), (plain.reason, half.reason)
    assert (plain.spec.precision, half.spec.precision) == ("fp32", "bf16")
    assert plain.cell != half.cell
    assert plain.interval is not None
    assert half.interval is not None
    assert abs(plain.interval.mean - half.interval.mean) < 0.1
    if method != "full-finetuning":  # its network is tuned, in full precision
        assert plain.log_odds != half.log_odds


def test_rows_of_two_precisions_have_different_labels(toy: Toy) -> None:
    specs = [toy.record("frozen-prototype", precision=p).spec for p in ("fp32", "bf16")]
    names = labels(map(configuration, specs))
    assert sorted(names.values()) == ["frozen-prototype", "frozen-prototype [precision=bf16]"]
    assert list(labels([configuration(specs[1])]).values()) == ["frozen-prototype [precision=bf16]"]


def test_features_and_adapters_are_not_shared_between_precisions(toy: Toy) -> None:
    toy.record("lora-recycle")
    half = toy.record("lora-recycle", precision="bf16")
    assert [stage.stage for stage in half.stages if stage.cached] == []


def test_a_record_in_bfloat16_is_reproduced_in_bfloat16(toy: Toy) -> None:
    record = toy.record("frozen-prototype", precision="bf16")
    path = record_path(toy.results, record.spec)
    result = CliRunner().invoke(main, ["reproduce", str(path), "--cache", str(toy.folder / "new")])
    assert result.exit_code == 0, result.output
    assert "same bits" in result.output


def test_auto_measures_and_prints_its_choice(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bf16, "_seconds_of_product", lambda _, dtype: 3.0 if "32" in str(dtype) else 1.0)
    arguments = ["run", "toy", "--method", "frozen-prototype", "--track", "*/2w1s", "--precision", "auto"]
    folders = ["--results", str(toy.folder / "r"), "--cache", str(toy.folder / "c")]
    result = CliRunner().invoke(main, [*arguments, *folders], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "Precision: bf16 (on cpu, bf16 is 3.0 times as fast as fp32)." in re.sub(r"\s+", " ", result.output)
