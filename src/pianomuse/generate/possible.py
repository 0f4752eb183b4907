"""Whether limits can hold together, found out before anything is written; if not, which two are in each other's way."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import combinations

from pianomuse.coded import coded
from pianomuse.errors import RequestError
from pianomuse.generate.asked import Asked
from pianomuse.generate.constraints import progress_of
from pianomuse.generate.kept import Kept
from pianomuse.generate.lookahead import Lookahead, Stand
from pianomuse.generate.pins_ahead import PinsAhead
from pianomuse.generate.plan import Plan
from pianomuse.generate.progress import Progress
from pianomuse.generate.rules import Rules

_FIELDS = {
    "key": ("key", "has_passing_notes"),
    "scale": ("scale", "has_passing_notes"),
    "chords": ("chords", "is_strict"),
    "range": ("pitch_range",),
    "notes-per-bar": ("notes_per_bar",),
    "voices": ("voices",),
    "hand": ("hand",),
    "keep": ("keep", "keep_from"),
    "ending": ("ending",),
    "to": ("targets",),
}
"""The fields of `Asked` that belong to an option."""


def require_possible(asked: Asked, plan_of: Callable[[Asked], Plan], first_bar: int) -> Plan:
    """Return the plan for what was asked.

    Args:
        asked: all limits.
        plan_of: makes the plan of some limits.
        first_bar: number of the first new bar, for words.

    Raises:
        RequestError: the limits cannot hold together; two that stand in each other's way are named.

    """
    plan = plan_of(asked)
    names = [name for name in _FIELDS if name in asked.said]
    bar = impossible_bar(plan) if names else None
    if bar is None:
        return plan
    for wanted in (*((name,) for name in names), *combinations(names, 2)):
        alone = impossible_bar(plan_of(only(asked, wanted)))
        if alone is not None:
            where = f"in bar {first_bar + alone}"
            said = [_words(asked, name) for name in wanted]
            words = " and ".join(said)
            if len(wanted) == 1:
                raise RequestError(
                    f"{words} cannot be met {where}, by the hands, tempo and note values there; ask for less",
                    "limit_impossible",
                    limits=said,
                    bar=first_bar + alone,
                )
            raise RequestError(
                f"{words} cannot both hold {where}: change one of them",
                "limits_clash",
                limits=said,
                bar=first_bar + alone,
            )
    all_said = [_words(asked, name) for name in names]
    raise RequestError(
        f"{', '.join(all_said)} cannot all hold together in bar {first_bar + bar}: leave one out",
        "limits_impossible",
        limits=all_said,
        bar=first_bar + bar,
    )


def only(asked: Asked, names: Iterable[str]) -> Asked:
    """Return some of the limits alone, by the names of their options."""
    none = Asked()
    kept = {field for name in names for field in _FIELDS[name]}
    gone = {field for fields in _FIELDS.values() for field in fields} - kept
    said = {name: text for name, text in asked.said.items() if name in names}
    return replace(asked, **{field: getattr(none, field) for field in gone}, said=said)


def impossible_bar(plan: Plan) -> int | None:
    """Return the first bar that cannot be given what it owes, or can have no note at all; None if there is none."""
    rules = Rules(plan)
    progress = progress_of(rules)
    if plan.kept is not None and not isinstance(progress, Progress):
        bars = (_wrong_number(plan, plan.kept), _wrong_voices(plan, plan.kept), progress.bar_in_the_way())
        return min((bar for bar in bars if bar is not None), default=None)
    lookahead = Lookahead(rules)
    pinned = PinsAhead(rules).bar_in_the_way()
    if pinned is not None:
        return pinned
    for bar in range(plan.n_bars):
        keyboard = rules.new_keyboard()
        n_given = len(plan.first_bar) if bar == 0 else 0
        if len(rules.places[bar]) == 0 or n_given:
            continue
        if not lookahead.can_begin(keyboard, bar):
            # a bar in which nothing is free because of what rings is left empty; limits are not to blame
            if not keyboard.strikeable(rules.bar_starts[bar] + int(rules.places[bar][-1])).any():
                continue
            return bar
        if not lookahead.can_write(keyboard, Stand(bar, -1, -1, -1, 0), 0):
            return bar
    return None


def _wrong_number(plan: Plan, kept: Kept) -> int | None:
    """Return the first bar that has not as many notes as are asked; what is kept says how many there are."""
    for index, bar in enumerate(plan.bars):
        n_notes = sum(note.bar == index for note in kept.notes)
        if n_notes < bar.min_notes or (bar.max_notes is not None and n_notes > bar.max_notes):
            return index
    return None


def _wrong_voices(plan: Plan, kept: Kept) -> int | None:
    """Return the first bar in which not as many notes sound at once as are asked."""
    starts = plan.bar_starts
    for strike in kept.strikes() if plan.bars else ():
        bar = plan.bars[strike[0].bar]
        n_notes = len(strike)
        if kept.has_rhythm:
            time = starts[strike[0].bar] + strike[0].position
            spans = [(starts[note.bar] + note.position, note.duration) for note in kept.notes]
            n_notes = sum(onset <= time < onset + length for onset, length in spans)
            n_notes += sum(note.end_units > time for note in plan.ringing)
        if n_notes < bar.min_voices or (bar.max_voices is not None and n_notes > bar.max_voices):
            return strike[0].bar
    return None


def _words(asked: Asked, name: str) -> str:
    return coded(f"--{name} {asked.said[name]}", "limit_said", limit=name, value=asked.said[name])
