"""PianoMuse from Python: load a model, ask for ideas, keep the ones you like.

    import pianomuse as pm
    muse = pm.load()
    ideas = muse.complete("sketch.mid", bars=4, candidates=3, seed=1)
    for idea in ideas:
        print(idea.number, idea.reason)
        idea.save(f"idea-{idea.number}.mid")

Every interface goes through here; that is why the module is longer than most.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, Unpack

from pianomuse.checkpoint.store import Checkpoint, load_checkpoint
from pianomuse.checkpoint.style import Style, load_style, model_fingerprint, require_fitting
from pianomuse.errors import CheckpointError, RequestError
from pianomuse.generate.engine import Engine
from pianomuse.generate.ideas import Candidate, Ideas
from pianomuse.generate.like import Mood, Same
from pianomuse.generate.options import GRID_OPTIONS, Options, check_names
from pianomuse.generate.ranking import Ranker, features_of
from pianomuse.generate.session import Session, Source
from pianomuse.generate.states import DEFAULT_BUDGET_MB
from pianomuse.generate.stream import Origin, Stream
from pianomuse.generate.surprise import NoteSurprise, surprise
from pianomuse.generate.taste import Taste, load_taste
from pianomuse.measure.known_works import KnownWorks, load_known_works
from pianomuse.performance.grid import read_on_bars
from pianomuse.tokens.tokenizer import PianoTokenizer
from pianomuse.tokens.vocabulary import require_same

WEIGHTS = Path(__file__).parent / "weights"
DEFAULT_MODEL = "default"
DEVICES = ("auto", "cpu", "cuda", "npu", "mps")
KNOWN_WORKS = "known-works.npz"  # beside the weights


class Muse:
    """A model that writes ideas.

    Args:
        engine: what reads and writes tokens.
        name: of the model.
        device: where it runs.
        card: what is known about the model.
        fingerprint: finds out which weights these are, when a style has to fit them.
        known_works: finds stretches of works it was trained on; None looks for none.

    """

    def __init__(
        self,
        engine: Engine[Any],
        *,
        name: str = "",
        device: str = "cpu",
        card: Mapping[str, object] | None = None,
        fingerprint: Callable[[], str] | None = None,
        known_works: Callable[[], KnownWorks | None] = lambda: None,
    ) -> None:
        """Keep the engine and make its tokenizer."""
        self.engine = engine
        self.name = name
        self.device = device
        self.card = dict(card or {})
        self.style: Style | None = None
        self._fingerprint = fingerprint
        self._known_works = known_works
        self.tokenizer = PianoTokenizer()

    def with_style(self, style: str | Path | Style, strength: float = 1.0) -> Muse:
        """Return the same model beginning every piece with a style; this one stays as it is.

        Args:
            style: a file that `pianomuse tune` wrote, or what `load_style` returned.
            strength: 0 is no style, 1 the style as tuned, at most 1.5.

        Raises:
            CheckpointError: the file is damaged, or was tuned on another model.
            RequestError: a strength out of range, or an engine that cannot begin with a style.

        """
        found = style if isinstance(style, Style) else load_style(style)
        memory = found.memory(strength)
        engine: Any = self.engine
        if self._fingerprint is None or not hasattr(engine, "beginning_with"):
            raise RequestError(f"--style: the model on {self.device} cannot begin with a style; use --device cpu")
        require_fitting(found, engine.config, self._fingerprint())
        other = copy.copy(self)
        other.engine, other.style = engine.beginning_with(memory), found
        return other

    def without_style(self) -> Muse:
        """Return the same model beginning every piece with nothing remembered; this one stays as it is."""
        if self.style is None:
            return self
        engine: Any = self.engine
        other = copy.copy(self)
        other.engine, other.style = engine.beginning_with(self.style.memory(0)), None
        return other

    def complete(
        self,
        piece: Source,
        *,
        at_bar: int | None = None,
        bars: int = 4,
        finish_bar: bool = True,
        insert: bool | None = None,
        **options: Unpack[Options],
    ) -> Ideas:
        """Go on after a bar, without looking ahead.

        Args:
            piece: a MIDI file: its path, its bytes, or what `read_midi` returned.
            at_bar: last bar kept, from 1; 0 writes before bar 1; None: where the music stops.
            bars: whole bars to write, 1 … 32.
            finish_bar: without `at_bar`, first finish a half-finished bar.
            insert: what follows comes later instead of being replaced; None: only with `at_bar` 0.
            **options: see `Options`.

        Returns:
            Ideas that differ from one another.

        Raises:
            PianoMuseError: a file that cannot be read, or something that cannot be done; one sentence says what.

        """
        place: Any = {"at_bar": at_bar, "bars": bars, "finish_bar": finish_bar, "insert": insert}
        return self._ideas(piece, lambda session, others: session.stream(**place, whole_piece=True, **others), options)

    def fill(self, piece: Source, from_bar: int, to_bar: int, **options: Unpack[Options]) -> Ideas:
        """Write bars from_bar … to_bar, both included, from what stands on both sides.

        Args:
            piece: a MIDI file: its path, its bytes, or what `read_midi` returned.
            from_bar: first bar to write, from 1.
            to_bar: last bar to write.
            **options: see `Options`.

        Raises:
            PianoMuseError: a file that cannot be read, or something that cannot be done; one sentence says what.

        """
        return self._ideas(
            piece, lambda session, others: session.fill(from_bar, to_bar, whole_piece=True, **others), options
        )

    def harmonise(
        self,
        piece: Source,
        from_bar: int | None = None,
        to_bar: int | None = None,
        **options: Unpack[Options],
    ) -> Ideas:
        """Write the hand that is missing in bars from_bar … to_bar, by default all; what stands there stays.

        Args:
            piece: a MIDI file: its path, its bytes, or what `read_midi` returned.
            from_bar: first bar, from 1.
            to_bar: last bar.
            **options: see `Options`; `hand` is the one to write, without it the one that does not play there.

        Raises:
            PianoMuseError: a file that cannot be read, or something that cannot be done; one sentence says what.

        """
        return self._ideas(
            piece,
            lambda session, others: session.harmonise(from_bar, to_bar, whole_piece=True, **others),
            options,
        )

    def vary(self, piece: Source, from_bar: int, to_bar: int, **options: Unpack[Options]) -> Ideas:
        """Write bars from_bar … to_bar anew, heard from both sides, and keep something of what stood there.

        Args:
            piece: a MIDI file: its path, its bytes, or what `read_midi` returned.
            from_bar: first bar, from 1.
            to_bar: last bar.
            **options: see `Options`. Needed is `keep`: ``rhythm`` is every onset and length, exactly, pitches are free;
                ``contour`` is the same, and the top line rises, falls and repeats as it did; ``harmony`` is in every
                beat only the pitch classes that sounded there, the first bass note the one that was lowest.

        Raises:
            PianoMuseError: a file that cannot be read, or something that cannot be done; one sentence says what.

        """
        return self._ideas(
            piece, lambda session, others: session.vary(from_bar, to_bar, whole_piece=True, **others), options
        )

    def like(
        self,
        ideas: Ideas,
        idea: int,
        *,
        same: Same | None = None,
        mood: Mood | None = None,
        beats: int = 2,
        **options: Unpack[Options],
    ) -> Ideas:
        """Write more like one idea.

        Args:
            ideas: what `complete`, `fill` or `vary` returned.
            idea: number of the one.
            same: what stays of it. start: its first beats, and the new ideas go on from there. rhythm: every onset and
                length, pitches are new. harmony: in every beat only what sounded in it. None: only its place.
            mood: calmer or bolder than it, in how tokens are drawn and in how many notes a bar has.
            beats: of the start.
            **options: see `Options`; limits that the idea was asked with are not remembered.

        Returns:
            Ideas whose `with_completion` is the piece with the whole new idea, the kept start included.

        Raises:
            PianoMuseError: something that cannot be done; one sentence says what.

        """
        return self._ideas(
            ideas.piece,
            lambda session, others: session.like(
                ideas, idea, same=same, mood=mood, beats=beats, whole_piece=True, **others
            ),
            options,
        )

    def session(
        self,
        piece: Source,
        *,
        budget_mb: float = DEFAULT_BUDGET_MB,
        reads_ahead: bool = True,
        style: str | Path | Style | None = None,
        style_strength: float = 1.0,
        first_downbeat: float | str | None = None,
        grid: str = "auto",
        tempo: float | None = None,
        metre: str | None = None,
    ) -> Session:
        """Open a piece to ask for ideas at many places, while it is being written.

        Args:
            piece: a MIDI file: its path, its bytes, or what `read_midi` returned.
            budget_mb: mebibytes for what the model remembers at the bar lines of the piece.
            reads_ahead: read the piece in the background.
            style: as in `Options`, like those that follow.
            style_strength: see there.
            first_downbeat: see there, like those that follow.
            grid: see there.
            tempo: see there.
            metre: see there.

        """
        told: Any = {"first_downbeat": first_downbeat, "grid": grid, "tempo": tempo, "metre": metre}
        if style is not None:
            muse = self.with_style(style, style_strength)
            return muse.session(piece, budget_mb=budget_mb, reads_ahead=reads_ahead, **told)
        if style_strength != 1:
            raise RequestError(f"--style-strength {style_strength:g}: name the style too, with --style FILE")
        read = read_on_bars(piece, **told)
        return Session(
            self.engine,
            self.tokenizer,
            read.piece,
            first_downbeat_ticks=read.first_downbeat_ticks,
            read=lambda source: read_on_bars(source, **told).piece,
            budget_mb=budget_mb,
            reads_ahead=reads_ahead,
            origin=Origin(self.name, self.style.name if self.style is not None else "", self.device),
            ranker=Ranker(self._known_works, load_taste),
        )

    def prefer(self, chosen: Candidate, among: Iterable[Candidate]) -> Taste:
        """Remember on this machine that an idea was accepted or starred; later ideas are put in order by that.

        Args:
            chosen: the idea.
            among: the ideas it was chosen from; it may be one of them.

        Returns:
            The taste as it is now. `pianomuse taste` shows it, and `pianomuse taste --reset` forgets it.

        Raises:
            RequestError: the remembered taste is damaged.

        """
        taste = load_taste().after(features_of(chosen), [features_of(idea) for idea in among if idea != chosen])
        taste.save()
        return taste

    def surprise(self, piece: Source) -> tuple[NoteSurprise, ...]:
        """Return how surprising every note of a piece is, in bits, by onset; see `pianomuse.generate.surprise`."""
        return surprise(self.engine, self.tokenizer, read_on_bars(piece).piece)

    def _ideas(self, piece: Source, ask: Callable[[Session, Options], Stream], options: Options) -> Ideas:
        """Open a session for one question."""
        asked_at = time.perf_counter()
        check_names(options)
        whole_session = ("style", "style_strength", *GRID_OPTIONS)
        about_session: Any = {name: value for name, value in options.items() if name in whole_session}
        others: Any = {name: value for name, value in options.items() if name not in whole_session}
        session = self.session(piece, budget_mb=0, reads_ahead=False, **about_session)
        return ask(session, others).ideas(asked_at=asked_at)


def load(
    name_or_path: str | Path | None = None,
    device: str = "auto",
    *,
    precision: Literal["float32", "int8"] = "float32",
    threads: int | None = None,
) -> Muse:
    """Load a model.

    Args:
        name_or_path: a checkpoint folder, a run folder (its best checkpoint), or the name of a model that ships;
            None: the default model.
        device: auto or cpu.
        precision: float32, or int8: a quarter of the memory and faster, a little less exact.
        threads: how many compute; None: as many as help.

    Raises:
        CheckpointError: there is no such model, or it is damaged.
        VocabularyError: it speaks another vocabulary.
        RequestError: an unknown device, or one this version cannot compose on.

    """
    if device not in DEVICES:
        raise RequestError(f"--device {device}: choose one of {', '.join(DEVICES)}")
    if device not in ("auto", "cpu"):
        raise RequestError(f"--device {device}: this version composes on the CPU only; use --device cpu")
    folder = model_folder(name_or_path)
    checkpoint: Checkpoint = load_checkpoint(folder)
    tokenizer = PianoTokenizer()
    require_same(checkpoint.vocabulary_fingerprint, tokenizer.vocabulary.fingerprint, f"the model {folder}")
    from pianomuse.runtime.engine import CpuEngine

    engine = CpuEngine(checkpoint.config, checkpoint.tensors, precision=precision, threads=threads)
    name = DEFAULT_MODEL if name_or_path is None else str(name_or_path)
    return Muse(
        engine,
        name=name,
        device="cpu",
        card=checkpoint.card,
        fingerprint=cache(lambda: _fingerprint(folder)),
        known_works=cache(lambda: _known_works(folder)),
    )


def model_folder(name_or_path: str | Path | None, *, said_as: str = "--model") -> Path:
    """Find a checkpoint folder: as a path, as the best of a run folder, as a name among those that ship."""
    if name_or_path is not None:
        path = Path(name_or_path)
        for folder in (path, path / "best"):
            if (folder / "config.json").is_file():
                return folder
        if path.is_dir():
            raise CheckpointError(f"{said_as} {path}: no model in this folder; give one that holds model.safetensors")
    name = DEFAULT_MODEL if name_or_path is None else str(name_or_path)
    if (WEIGHTS / name / "config.json").is_file():
        return WEIGHTS / name
    ships = ", ".join(sorted(folder.parent.name for folder in WEIGHTS.glob("*/config.json"))) or "none"
    if name_or_path is None:
        raise CheckpointError(f"the default model is not at {WEIGHTS / name}; install PianoMuse again, or give --model")
    raise CheckpointError(f"{said_as} {name}: no such folder and no model of that name; those that ship: {ships}")


def _fingerprint(folder: Path) -> str:
    """Read the weights again: most loads need no fingerprint, and the engine has laid them out in its own way."""
    checkpoint = load_checkpoint(folder)
    return model_fingerprint(checkpoint.config, checkpoint.tensors)


def _known_works(folder: Path) -> KnownWorks | None:
    path = folder / KNOWN_WORKS
    return load_known_works(path) if path.is_file() else None
