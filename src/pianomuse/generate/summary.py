"""What a composer is told about a request: the piece in one line, what was written, and what to know about it."""

from __future__ import annotations

from pathlib import PurePath

from pianomuse.coded import Coded, coded
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


def written_line(composition: Composition) -> Coded:
    """Return how many ideas were written for which bars, and which bars were heard."""
    caret, request = composition.scene.caret, composition.scene.request
    first = caret.at_bar + 1
    last = caret.bar_index + caret.n_bars
    where = bar_span(first, last)
    if caret.finishes_bar:
        where = coded(f"the rest of bar {caret.at_bar} and {where}", "rest_and_bars", bar=caret.at_bar, bars=where)
    elif caret.is_inserted:
        where = coded(f"new {where}", "new_bars", bars=where)
    heard: list[Coded] = []
    if request.before.n_bars:
        heard.append(bar_span(caret.at_bar - request.before.n_bars + 1, caret.at_bar))
    words: list[str] = list(heard)
    if request.after is not None:
        after = bar_span(last + 1, last + request.after.n_bars)
        heard.append(after)
        words.append(after.removeprefix("bars ").removeprefix("bar ") if words else after)
    if (given := request.plan.given) is not None:
        heard.append(coded(f"the {_other(given.hand)} hand there", "hand_there", hand=_other(given.hand)))
        words.append(heard[-1])
        where = coded(f"the {given.hand} hand of {where}", "hand_of", hand=given.hand, bars=where)
    n = len(composition.ideas)
    said = f"Wrote {_count(n, 'idea')} for {where}"
    if not heard:
        return coded(f"{said} (nothing heard before)", "written_unheard", ideas=n, where=where)
    return coded(f"{said} (heard {' and '.join(words)})", "written", ideas=n, where=where, heard=heard)


def notices(piece: Piece, composition: Composition, order: Order) -> list[Coded]:
    """Return what the composer should know, as sentences; the reader's own warnings come first."""
    sentences = list(piece.warnings)
    if piece.grid.pickup_ticks:
        sentences.append(coded("Note on numbers: bar 1 is the pickup (bar 0 in a score).", "pickup"))
    if composition.scene.routing.sentence is not None:
        sentences.append(composition.scene.routing.sentence)
    caret, kept = composition.scene.caret, composition.scene.request.plan.kept
    if kept is not None:
        bars = list(dict.fromkeys(kept.bars))
        span = bar_span(bars[0], bars[-1])
        sentences.append(coded(f"Kept: the {kept.what} of {span}.", "kept", kept=kept.what, bars=span))
    if order.asked.said.get("chords", "").startswith("as in"):
        span = bar_span(caret.bar_index + 1, caret.bar_index + caret.n_bars)
        said = f"Kept: the harmony{order.asked.said['chords'].removeprefix('as')}, beat by beat."
        sentences.append(coded(said, "harmony_kept", bars=span))
    key = composition.scene.key
    if order.asked.ending and key.is_guess:
        said = f"The ending is one in {key.name}, which is a guess: --key sets another."
        sentences.append(coded(said, "ending_in_guess", key=key.name))
    given = composition.scene.request.plan.given
    if given is not None and not order.adds_hand:
        other = _other(given.hand)
        said = f"Only the {given.hand} hand was written: what the {other} one plays stays."
        sentences.append(coded(said, "one_hand_written", hand=given.hand, other=other))
    else:
        sentences += _about_the_place(piece, caret, order)
    sentences += _about_the_tempo(piece, composition, order)
    return [*sentences, *_about_what_was_heard(composition, order)]


def bar_span(first: int, last: int) -> Coded:
    """Name bars, from 1.

    >>> bar_span(17, 20), bar_span(3, 3)
    ('bars 17–20', 'bar 3')
    """
    if first == last:
        return coded(f"bar {first}", "bar", bar=first)
    return coded(f"bars {first}–{last}", "bars", first=first, last=last)


def _about_what_was_heard(composition: Composition, order: Order) -> list[Coded]:
    request, sentences = composition.scene.request, []
    n_bars, n_notes = request.before.n_bars, len(request.before.notes.onset)
    if n_bars < composition.scene.caret.at_bar:
        said = f"The piece is long: of the bars before the ideas the last {n_bars} were heard."
        sentences.append(coded(said, "piece_is_long", bars=n_bars))
    if is_little(request):
        heard = f"{_count(n_bars, 'bar')}, {_count(n_notes, 'note')}"
        said = f"Little was heard ({heard}): the ideas differ more in character."
        sentences.append(coded(said, "little_heard", bars=n_bars, notes=n_notes))
    if order.is_fill and request.after is None and not order.asked.hand:
        said = "No music follows these bars: they were written from what stands before them."
        sentences.append(coded(said, "nothing_follows"))
    missing = order.n_ideas - len(composition.ideas)
    if missing:
        said = f"{_count(missing, 'idea')} fewer than asked: the others were the same as these."
        sentences.append(coded(said, "fewer_ideas", ideas=missing))
    return sentences


def _about_the_place(piece: Piece, caret: Caret, order: Order) -> list[Coded]:
    if order.is_like:
        return []
    onset, _ = onsets_and_ends(piece)
    n_replaced = int(((onset >= caret.tick) & (onset < caret.end_tick)).sum())
    n_after = int((onset >= caret.old_end_tick).sum())
    span, n_bars = bar_span(caret.at_bar + 1, caret.bar_index + caret.n_bars), _count(caret.n_bars, "bar")
    fill = f"`fill --from-bar {caret.at_bar + 1} --to-bar {caret.bar_index + caret.n_bars}`"
    if order.adds_hand:
        said = f"The {_count(n_replaced, 'note')} in {span} stay as they are."
        return [coded(said, "notes_stay", notes=n_replaced, bars=span)]
    if caret.is_inserted:
        old, new = caret.at_bar + 1, caret.bar_index + caret.n_bars + 1
        said = f"Inserted {n_bars}: what was bar {old} is now bar {new}."
        return [coded(said, "bars_inserted", bars=caret.n_bars, old=old, new=new)]
    if order.is_fill:
        said = f"Replaced {_count(n_replaced, 'note')} in {span}."
        return [coded(said, "notes_replaced", notes=n_replaced, bars=span)] if n_replaced else []
    if n_replaced:
        said = (
            f"Replaced {_count(n_replaced, 'note')} in {span}, without looking ahead: {fill} hears both sides and "
            f"joins them, --insert moves the rest {n_bars} later."
        )
        return [coded(said, "notes_replaced_blindly", notes=n_replaced, bars=span, later=caret.n_bars)]
    if n_after:
        said = f"{span.capitalize()} were empty and music follows: {fill} hears both sides and joins them."
        return [coded(said, "music_follows", bars=span)]
    last = last_bar_with_music(piece)
    if caret.tick > music_end(piece) and caret.at_bar > last:
        better = _middle(last) if has_clearly_ended(piece) else last
        said = f"The music stops before that: the piece ends in bar {last}; try --at-bar {better}."
        return [coded(said, "music_stopped", last=last, better=better)]
    if has_clearly_ended(piece):
        said = f"The music sounds finished: the piece ends in bar {last}; try --at-bar {_middle(last)}."
        return [coded(said, "music_finished", last=last, better=_middle(last))]
    return []


def _middle(last_bar: int) -> int:
    """Return a bar around the middle where a phrase is likely to end."""
    return max(last_bar // 2 // 4 * 4, 1)


def _about_the_tempo(piece: Piece, composition: Composition, order: Order) -> list[Coded]:
    tempo, caret = composition.scene.tempo, composition.scene.caret
    if tempo.is_written:
        slow = next(t for t in reversed(piece.score.tempos) if t.time < caret.tick)
        slow_bpm = _MICROSECONDS_PER_MINUTE / slow.mspq
        said = (
            f"The music slows down before the ideas: they go on at ♩={tempo.bpm:.0f} as before the ritardando "
            f"(--keep-rit goes on at ♩={slow_bpm:.0f})."
        )
        return [coded(said, "ritardando_before", tempo=round(tempo.bpm), slow=round(slow_bpm))]
    if order.keep_ritardando and prevailing_tempo(piece.score, piece.grid, caret.tick)[1]:
        said = f"The ideas keep the tempo at the end of the ritardando, ♩={tempo.bpm:.0f}."
        return [coded(said, "ritardando_kept", tempo=round(tempo.bpm))]
    return []


def _other(hand: str) -> str:
    return "right" if hand == "left" else "left"


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
