"""What a benchmark found: rows of ours against a peer, the machine, and the table for people."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pianomuse.train.environment import n_cores, processor

Tell = Callable[[str], None]
"""Is told in a few words what is being measured."""


@dataclass(frozen=True)
class Row:
    """One comparison.

    Args:
        name: what, of ours, against which peer: `wkv/cpu/loop`.
        ours: our figure in `unit`.
        peer: the peer's; None where it is not installed here.
        unit: `tokens/s` (more is better), `s` or `bytes` (less is better).
        ceiling: what the hardware would allow, where it is known.
    """

    name: str
    ours: float
    peer: float | None
    unit: str
    ceiling: float | None = None

    @property
    def ratio(self) -> float | None:
        """How many times better ours is; above 1 is better."""
        if self.peer is None:
            return None
        return self.ours / self.peer if self.unit.endswith("/s") else self.peer / self.ours

    def to_json(self) -> dict[str, Any]:
        """Return the row as `pianomuse bench --json` prints it."""
        return {**{key: _short(value) for key, value in asdict(self).items()}, "ratio": _short(self.ratio)}


@dataclass(frozen=True)
class Outcome:
    """Everything one benchmark found; `details` are figures that have no peer, `notes` what a reader must know."""

    machine: Mapping[str, Any]
    results: list[Row]
    details: Mapping[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return the document that `pianomuse bench --json` prints."""
        rows = [row.to_json() for row in self.results]
        return {"machine": dict(self.machine), "results": rows, **self.details, "notes": self.notes}

    def to_lines(self) -> Iterator[str]:
        """Yield the table for people."""
        yield ", ".join(f"{key} {value}" for key, value in self.machine.items())
        for row in self.results:
            line = f"{row.name:36}{_figure(row.ours, row.unit):>18}"
            if row.peer is not None and row.ratio is not None:
                line += f"   peer {_figure(row.peer, row.unit):>16}   {row.ratio:6.2f} x"
            if row.ceiling:
                share = row.ours / row.ceiling if row.unit.endswith("/s") else row.ceiling / row.ours
                line += f"   {share:.0%} of the ceiling"
            yield line
        for key, value in self.details.items():
            yield f"{key}: {value}"
        yield from self.notes


def machine(**more: Any) -> dict[str, Any]:
    """Return what has to be known of this machine to read a figure: processor, load, versions, and `more`."""
    facts = {
        "processor": processor(),
        "cores": n_cores(),
        "system": f"{platform.system()} {platform.machine()}",
        "load_before": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
    }
    for package in ("pianomuse", "numpy", "numba", "torch"):
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            continue
    return {key: value for key, value in (facts | more).items() if value is not None}


def _short(value: Any) -> Any:
    """Round to four digits: no benchmark knows more."""
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _figure(value: float, unit: str) -> str:
    if unit == "s":
        return f"{1000 * value:,.1f} ms"
    return f"{value / 2**20:,.1f} MiB" if unit == "bytes" else f"{value:,.0f} {unit}"
