"""What a composer is told about a request: the piece in one line, what was written, and what to know about it."""

from __future__ import annotations

from pathlib import PurePath

from pianomuse.generate.caret import (
    Caret,
    has_clearly_ended,
    last_bar_with_music,
    music_end,
    onsets_and_ends,
)
from pianomuse.generate.compose import Composition, Order, is_little
from pianomuse.midi.bars import prevailing_tempo
from pianomuse.midi.read import Piece

_EVEN_SPREAD = 2.0  # standard deviation of velocities up to which dynamics are even
_MICROSECONDS_PER_MINUTE = 60_000_000


def piece_line(piece: Piece, composition: Composition) -> str:
    """Return the piece in one line: bars, metre, tempo and key at the caret, hands, dynamics."""
    scene = composition.scene
    heard, key = scene.request.heard, scene.key
    velocities = piece.score.tracks[0].notes.numpy()["velocity"]
    numerator, denominator = scene.caret.metres[0]
    n_bars = piece.grid.n_bars
    parts = [
        PurePath(piece.path).name if piece.path is not None else "your piece",
        _count(n_bars, "bar"),
        f"{numerator}/{denominator}",
        f"♩={scene.tempo.bpm:.0f}",
        f"{key.name} (a guess)" if key.is_guess else key.name,
    ]
    if heard is not None:
        parts.append("one line" if heard.is_one_line and heard.hands != "two hands" else heard.hands)
    parts.append("even dynamics" if not len(velocities) or velocities.std() <= _EVEN_SPREAD else "expressive dynamics")
    return " · ".join(parts)


def written_line(composition: Composition) -> str:
    """Return how many ideas were written for which bars, and which bars were heard."""
    caret, request = composition.scene.caret, composition.scene.request
    first = caret.at_bar + 1
    last = caret.bar_index + caret.n_bars
    where = bar_span(first, last)
    if caret.finishes_bar:
        where = f"the rest of bar {caret.at_bar} and {where}"
    elif caret.is_inserted:
        where = f"new {where}"
    heard = []
    if request.before.n_bars:
        heard.append(bar_span(caret.at_bar - request.before.n_bars + 1, caret.at_bar))
    if request.after is not None:
        after = bar_span(last + 1, last + request.after.n_bars)
        heard.append(after.removeprefix("bars ").removeprefix("bar ") if heard else after)
    if request.plan.given is not None:
        other = "right" if request.plan.given.hand == "left" else "left"
        heard.append(f"the {other} hand there")
        where = f"the {request.plan.given.hand} hand of {where}"
    listened = f"heard {' and '.join(heard)}" if heard else "nothing heard before"
    return f"Wrote {_count(len(composition.ideas), 'idea')} for {where} ({listened})"


def notices(piece: Piece, composition: Composition, order: Order) -> list[str]:
    """Return what the composer should know, as sentences; the reader's own warnings come first."""
    sentences = list(piece.warnings)
    if piece.grid.pickup_ticks:
        sentences.append("Note on numbers: bar 1 is the pickup (bar 0 in a score).")
    if composition.scene.routing.sentence:
        sentences.append(f"{composition.scene.routing.sentence}.")
    kept = composition.scene.request.plan.kept
    if kept is not None:
        bars = list(dict.fromkeys(kept.bars))
        sentences.append(f"Kept: the {kept.what} of {bar_span(bars[0], bars[-1])}.")
    if order.asked.said.get("chords", "").startswith("as in"):
        sentences.append(f"Kept: the harmony{order.asked.said['chords'].removeprefix('as')}, beat by beat.")
    key = composition.scene.key
    if order.asked.ending and key.is_guess:
        sentences.append(f"The ending is one in {key.name}, which is a guess: --key sets another.")
    caret = composition.scene.caret
    given = composition.scene.request.plan.given
    if given is not None and not order.adds_hand:
        other = "right" if given.hand == "left" else "left"
        sentences.append(f"Only the {given.hand} hand was written: what the {other} one plays stays.")
    else:
        sentences += _about_the_place(piece, caret, order)
    sentences += _about_the_tempo(piece, composition, order)
    request = composition.scene.request
    if request.before.n_bars < caret.at_bar:
        n_heard = request.before.n_bars
        sentences.append(f"The piece is long: of the bars before the ideas the last {n_heard} were heard.")
    if is_little(request):
        n_notes = len(request.before.notes.onset)
        sentences.append(
            f"Little was heard ({_count(request.before.n_bars, 'bar')}, {_count(n_notes, 'note')}): "
            "the ideas differ more in character."
        )
    if order.is_fill and request.after is None and not order.asked.hand:
        sentences.append("No music follows these bars: they were written from what stands before them.")
    missing = order.n_ideas - len(composition.ideas)
    if missing:
        sentences.append(f"{_count(missing, 'idea')} fewer than asked: the others were the same as these.")
    return sentences


def bar_span(first: int, last: int) -> str:
    """Name bars, from 1.

    >>> bar_span(17, 20), bar_span(3, 3)
    ('bars 17–20', 'bar 3')
    """
    return f"bar {first}" if first == last else f"bars {first}–{last}"


def _about_the_place(piece: Piece, caret: Caret, order: Order) -> list[str]:
    if order.is_like:
        return []
    onset, _ = onsets_and_ends(piece)
    n_replaced = int(((onset >= caret.tick) & (onset < caret.end_tick)).sum())
    n_after = int((onset >= caret.old_end_tick).sum())
    span, n_bars = bar_span(caret.at_bar + 1, caret.bar_index + caret.n_bars), _count(caret.n_bars, "bar")
    fill = f"`fill --from-bar {caret.at_bar + 1} --to-bar {caret.bar_index + caret.n_bars}`"
    if order.adds_hand:
        return [f"The {_count(n_replaced, 'note')} in {span} stay as they are."]
    if caret.is_inserted:
        old = f"bar {caret.at_bar + 1}"
        return [f"Inserted {n_bars}: what was {old} is now bar {caret.bar_index + caret.n_bars + 1}."]
    if order.is_fill:
        return [f"Replaced {_count(n_replaced, 'note')} in {span}."] if n_replaced else []
    if n_replaced:
        return [
            f"Replaced {_count(n_replaced, 'note')} in {span}, without looking ahead: {fill} hears both sides and "
            f"joins them, --insert moves the rest {n_bars} later."
        ]
    if n_after:
        return [f"{span.capitalize()} were empty and music follows: {fill} hears both sides and joins them."]
    last = last_bar_with_music(piece)
    if caret.tick > music_end(piece) and caret.at_bar > last:
        better = _middle(last) if has_clearly_ended(piece) else last
        return [f"The music stops before that: the piece ends in bar {last}; try --at-bar {better}."]
    if has_clearly_ended(piece):
        return [f"The music sounds finished: the piece ends in bar {last}; try --at-bar {_middle(last)}."]
    return []


def _middle(last_bar: int) -> int:
    """Return a bar around the middle where a phrase is likely to end."""
    return max(last_bar // 2 // 4 * 4, 1)


def _about_the_tempo(piece: Piece, composition: Composition, order: Order) -> list[str]:
    tempo, caret = composition.scene.tempo, composition.scene.caret
    if tempo.is_written:
        slow = next(t for t in reversed(piece.score.tempos) if t.time < caret.tick)
        return [
            f"The music slows down before the ideas: they go on at ♩={tempo.bpm:.0f} as before the ritardando "
            f"(--keep-rit goes on at ♩={_MICROSECONDS_PER_MINUTE / slow.mspq:.0f})."
        ]
    if order.keep_ritardando and prevailing_tempo(piece.score, piece.grid, caret.tick)[1]:
        return [f"The ideas keep the tempo at the end of the ritardando, ♩={tempo.bpm:.0f}."]
    return []


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
