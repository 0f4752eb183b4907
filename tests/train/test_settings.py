"""Settings: TOML and command line to frozen dataclasses and back; every problem at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pianomuse.errors import ConfigError
from pianomuse.settings import build, help_text, override, read_toml, to_toml
from pianomuse.train.settings import TrainSettings


@dataclass(frozen=True)
class Sizes:
    n_layer: int = field(default=2, metadata={"help": "layers", "min": 1, "max": 64})
    dropout: float = field(default=0.0, metadata={"help": "share", "min": 0, "max": 0.9})
    minutes: float | None = field(default=None, metadata={"help": "time"})
    name: str = field(default="tiny", metadata={"help": "a name", "choices": ("tiny", "söll")})
    fast: bool = field(default=False, metadata={"help": "hurry"})


def test_what_is_written_as_toml_is_read_back(tmp_path: Path) -> None:
    settings = Sizes(n_layer=3, dropout=1e-18, name="söll", fast=True)
    path = tmp_path / "config.toml"
    path.write_text(to_toml({"sizes": settings, "train": TrainSettings(lr=3e-4)}), encoding="utf-8")
    read = read_toml(path, {"sizes": Sizes, "train": TrainSettings})
    assert read == {"sizes": settings, "train": TrainSettings(lr=3e-4)}
    assert "n_layer = 3  # layers" in path.read_text(encoding="utf-8")


def test_the_command_line_overrides_by_type() -> None:
    changed = override(Sizes(), ["n_layer=12", "dropout=0.5", "minutes=2", "fast=yes", "name = söll"])
    assert changed == Sizes(12, 0.5, 2.0, "söll", True)
    assert isinstance(changed.minutes, float)
    assert override(Sizes(minutes=3.0), ["minutes=none"]).minutes is None


def test_all_problems_are_told_in_one_error() -> None:
    values = {"n_layer": 0, "dropout": "much", "flavour": 1, "name": "huge", "fast": 1, "minutes": float("nan")}
    with pytest.raises(ConfigError) as caught:
        build(Sizes, values, where="config.toml")
    message = str(caught.value)
    for part in ("config.toml", "n_layer = 0 is not in 1..64", "dropout", "'flavour' is unknown", "none of tiny, söll"):
        assert part in message
    assert "fast = 1 is not bool" in message
    assert "minutes = nan is not finite" in message


@pytest.mark.parametrize("bad", ["n_layer", "n_layer=two", "fast=perhaps", "unknown=1", "n_layer=1.5"])
def test_bad_assignments_are_refused(bad: str) -> None:
    with pytest.raises(ConfigError, match="--set"):
        override(Sizes(), [bad])


def test_files_that_are_no_settings_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    with pytest.raises(ConfigError, match="cannot be read"):
        read_toml(path, {"sizes": Sizes})
    path.write_text("[sizes]\nn_layer = 0\n[more]\n")
    with pytest.raises(ConfigError, match=r"\[more\] is unknown; \[sizes\]: n_layer"):
        read_toml(path, {"sizes": Sizes})


def test_every_training_setting_has_a_help_text() -> None:
    for line in help_text(TrainSettings).splitlines():
        name, text = line.split("): ", 1)
        assert len(text) > 5, name
