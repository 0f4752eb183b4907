"""Join the processes that a launcher started."""

from __future__ import annotations

from pianomuse.devices import Device, join_processes, n_processes
from pianomuse.train.ddp import DdpProcesses
from pianomuse.train.processes import OneProcess
from pianomuse.train.settings import TrainSettings


def join(device: Device, settings: TrainSettings) -> tuple[Device, OneProcess]:
    """Return the device of this process, and the processes that a launcher started; without one it is alone.

    Raises:
        ConfigError: they are of another kind than the device.
    """
    if n_processes() == 1:
        return device, OneProcess()
    own, accelerator = join_processes(device)
    if settings.shard == "ddp":
        return own, DdpProcesses(own, accelerator)
    from pianomuse.train.sharded import FsdpProcesses

    return own, FsdpProcesses(own, accelerator)
