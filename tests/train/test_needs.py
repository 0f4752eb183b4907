"""A run says when it may take more memory than there is, and starts all the same."""

from __future__ import annotations

from unittest.mock import patch

from pianomuse.checkpoint.config import ModelConfig
from pianomuse.devices import Device, choose_device
from pianomuse.train.needs import memory_warning
from pianomuse.train.settings import TrainSettings


def test_a_step_larger_than_the_machine_is_told_and_a_small_one_is_not() -> None:
    config, device = ModelConfig(761, 2, 64), choose_device("cpu", precision="float32")
    sizes = {"max_tokens": 256, "is_looped": True}
    assert memory_warning(config, TrainSettings(), device, batch_size=1, **sizes) == []
    (line,) = memory_warning(config, TrainSettings(), device, batch_size=10**7, **sizes)
    assert "micro_rows" in line
    assert memory_warning(config, TrainSettings(micro_rows=1), device, batch_size=10**7, **sizes) == []
    with patch.object(Device, "total_memory_bytes", return_value=None):
        assert memory_warning(config, TrainSettings(), device, batch_size=10**7, **sizes) == []
