"""From a decoded idea to what a composer gets: its notes in the composer's music, its files, its description."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from pianomuse.generate.caret import behind
from pianomuse.generate.compose import Scene
from pianomuse.generate.describe import describe_hand, describe_idea
from pianomuse.generate.feel import give_dynamics, give_timing, measure_dynamics, measure_timing
from pianomuse.generate.ideas import Candidate
from pianomuse.generate.join import (
    PlacedNote,
    Ruler,
    given_notes,
    join_pedal,
    keep_clear,
    keep_off_given,
    keep_rhythm,
    keep_voices,
    pedal_channels,
    place_notes,
)
from pianomuse.generate.tracks import assign_tracks
from pianomuse.generate.writer import DecodedIdea
from pianomuse.midi.additions import NewNote, NewPedal
from pianomuse.midi.bars import beat_ticks
from pianomuse.midi.idea import idea_file
from pianomuse.midi.read import read_midi
from pianomuse.midi.splice import insert_span, replace_span
from pianomuse.performance.notate import written_score
from pianomuse.performance.play import Player

_TIMING_STREAM = 1  # tells an idea's generator for timing from the one for tokens


class Finisher:
    """Turn decoded ideas into files; what all ideas of a caret share is measured once."""

    def __init__(self, scene: Scene) -> None:
        """Measure what the ideas share."""
        self.scene = scene
        piece, caret, request = scene.piece, scene.caret, scene.request
        self.ruler = Ruler(caret, request.plan, piece.grid.ticks_per_quarter)
        given = request.plan.given
        heard_until = caret if given is None else behind(caret, piece)
        self._dynamics = measure_dynamics(piece, heard_until, both_sides=request.after is not None)
        if given is not None and self._dynamics is not None and self._dynamics.spread > 0:
            self._dynamics = None  # the model has read how loud the given notes are, and balances against them
        self._timing = measure_timing(piece, heard_until) if scene.order.has_feel else None
        self._channels = pedal_channels(piece, caret.tick)
        self._player = _player(scene) if piece.recording is not None else None

    def __call__(self, idea: DecodedIdea, number: int) -> Candidate:
        """Finish an idea, also one that is not written to its end."""
        scene = self.scene
        piece, caret, plan = scene.piece, scene.caret, scene.request.plan
        written = give_dynamics(place_notes(idea.notes, self.ruler), self._dynamics)
        rng = np.random.default_rng([scene.order.seed, number, _TIMING_STREAM])
        played = give_timing(written, self._timing, rng) if self._timing is not None else written
        if plan.kept is not None and plan.kept.has_rhythm:
            played = keep_rhythm(written, plan.kept, caret)
        if scene.order.asked.voices:
            played = keep_voices(played)
        music = keep_clear(played, piece, caret)
        if plan.given is not None:
            music = keep_off_given(music, given_notes(piece, caret, plan.given))
        pedals = () if plan.given is not None else self._pedals(idea, music)
        hand = plan.given.hand if plan.given is not None else scene.order.asked.hand
        routing = scene.routing
        tracks = [routing.of(hand)] * len(music) if hand else assign_tracks(music, piece, caret, routing)
        notes = tuple(
            NewNote(note.tick, note.end_tick - note.tick, note.pitch, note.velocity, track)
            for note, track in zip(music, tracks, strict=True)
        )
        words = describe_idea(music, plan, caret, scene.request.before, scene.key)
        if plan.given is not None:
            words = describe_hand(music, given_notes(piece, caret, plan.given), scene.key)
        on_bars = partial(self._whole, notes, pedals)
        is_free = self._player is not None
        return Candidate(
            number=number,
            notes=notes,
            pedals=pedals,
            reason=words.reason,
            range=words.range,
            ending=words.ending,
            log_prob_per_note=idea.log_prob_per_note,
            seconds=idea.seconds,
            write_midi=partial(self._alone, notes, pedals, number),
            write_with_completion=partial(self._performed, notes, pedals) if is_free else on_bars,
            write_on_bars=on_bars if is_free else None,
            write_as_score=partial(self._as_score, on_bars) if is_free else None,
        )

    def _pedals(self, idea: DecodedIdea, music: list[PlacedNote]) -> tuple[NewPedal, ...]:
        scene, ids = self.scene, idea.ids.tolist()
        return tuple(join_pedal(ids, music, scene.request.plan, self.ruler, scene.piece, scene.caret, self._channels))

    def _whole(self, notes: tuple[NewNote, ...], pedals: tuple[NewPedal, ...]) -> bytes:
        """Return the composer's file with the new bars."""
        piece, caret = self.scene.piece, self.scene.caret
        if caret.is_inserted:
            length = caret.end_tick - caret.tick
            return insert_span(piece, caret.tick, length, notes, pedals, tempo_mspq=self.written_mspq)
        given = self.scene.request.plan.given
        stays = given.stays if given is not None else ()
        tempo = self.written_mspq
        return replace_span(piece, caret.tick, caret.end_tick, notes, pedals, tempo_mspq=tempo, stays=stays)

    def _performed(self, notes: tuple[NewNote, ...], pedals: tuple[NewPedal, ...]) -> bytes:
        """Return the composer's recording with the new bars played into it."""
        assert self._player is not None
        given = self.scene.request.plan.given
        return self._player.whole(notes, pedals, given.stays if given is not None else ())

    def _as_score(self, on_bars: Callable[[], bytes]) -> bytes:
        recording = self.scene.piece.recording
        assert recording is not None
        return written_score(read_midi(on_bars()), recording.tempo_bpm)

    def _alone(self, notes: tuple[NewNote, ...], pedals: tuple[NewPedal, ...], number: int) -> bytes:
        """Return the file of the new bars."""
        if self._player is not None:
            return self._player.alone(notes, pedals, self._text(number))
        scene, caret, model = self.scene, self.scene.caret, self.scene.piece
        if caret.is_inserted:
            whole = self._whole(notes, pedals)
            model = read_midi(whole, first_downbeat_ticks=scene.order.first_downbeat_ticks)
        since = scene.tempo.ritardando_from
        if since is not None:
            score = model.score.copy()
            score.tempos = [t for t in score.tempos if not since <= t.time < caret.tick]
            model = replace(model, score=score)
        mspq = self.written_mspq
        return idea_file(model, caret.bar_tick, caret.end_tick, notes, pedals, self._text(number), tempo_mspq=mspq)

    @property
    def written_mspq(self) -> int | None:
        """Tempo that the ideas write, in microseconds per quarter; None where the one in force goes on."""
        tempo = self.scene.tempo
        return tempo.mspq if tempo.is_written else None

    def _text(self, number: int) -> str:
        """Say where the idea comes from, so that it can be had again."""
        scene, order = self.scene, self.scene.order
        sampling, caret, request = order.sampling, scene.caret, scene.request
        settings = {"played feel": order.has_feel, "ritardando kept": order.keep_ritardando}
        behind = f" and {request.after.n_bars} after" if request.after is not None else ""
        parts = [
            f"PianoMuse idea {number}",
            f"seed {order.seed}",
            f"{request.plan.given.hand} hand, " if request.plan.given is not None else "",
            f"bars {caret.bar_index + 1}-{caret.bar_index + caret.n_bars}",
            f"{'inserted, ' if caret.is_inserted else ''}heard {request.before.n_bars} bars before{behind}",
            f"temperature {sampling.temperature:g}, top-p {sampling.top_p:g}, top-k {sampling.top_k}",
            ", ".join(name for name, is_on in settings.items() if is_on),
            order.note,
            ", ".join(f"{name} {text}" for name, text in order.asked.said.items()),
        ]
        return " · ".join(part for part in parts if part)


def _player(scene: Scene) -> Player:
    """Return what plays ideas into the composer's recording."""
    piece, caret = scene.piece, scene.caret
    beat = beat_ticks(caret.metres[-1], piece.grid.ticks_per_quarter)
    return Player(
        piece, caret.tick, caret.end_tick, beat, caret.bar_lines, scene.tempo.mspq, is_inserted=caret.is_inserted
    )
