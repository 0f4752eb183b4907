"""Batches for training: every batch is a pure function of the seed and its number, so that a run resumes exactly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pianomuse.data.examples import Example, ExampleMaker, ExampleMix
from pianomuse.data.store import PieceStore
from pianomuse.data.window_maker import WindowMaker
from pianomuse.errors import ConfigError, DatasetError
from pianomuse.tokens.augment import Augmenter, draw_shift
from pianomuse.tokens.prompt import PromptWriter
from pianomuse.tokens.vocabulary import Vocabulary

MAX_FOLDER_WEIGHT = 1000
IGNORE = -100
"""Target value that the loss passes over."""
_ASKED = ("PAD", "BOS", "Fill", "Task", "Dynamics", "Key", "Hand", "Voices", "Density", "Ending", "Bars")
# Examples are drawn for this many batches at once and sorted by length, so that little of a batch is padding.
_POOL = 8

Batch = dict[str, NDArray[np.int64]]


@dataclass(frozen=True)
class BatchSettings:
    """What a training batch is made of."""

    batch_size: int = field(default=8, metadata={"help": "examples in a batch", "min": 1, "max": 65_536})
    max_tokens: int = field(default=1024, metadata={"help": "longest example, in tokens", "min": 32, "max": 1_048_576})
    seed: int = field(default=0, metadata={"help": "seed of data order and augmentation", "min": 0})
    augment: bool = field(default=True, metadata={"help": "transpose, change tempo and loudness at random"})
    examples: str = field(
        default="mix",
        metadata={
            "help": "mix of all kinds, or windows: the N bars and M after them that prepare was told of",
            "choices": ("mix", "windows"),
        },
    )
    loss_on: str = field(
        default="auto",
        metadata={
            "help": "all tokens, or completion only; auto is completion for windows",
            "choices": ("auto", "all", "completion"),
        },
    )
    length_power: float = field(
        default=0.7, metadata={"help": "a piece is drawn in proportion to its length to this power", "min": 0, "max": 4}
    )
    ahead: int = field(
        default=2 * _POOL,
        metadata={
            "help": "batches a thread draws ahead, 0 none; they are the same",
            "min": 0,
            "max": 4096,
            "resume": "the same batches",
        },
    )
    folder_weights: str = field(
        default="", metadata={"help": "draw sub-folders more or less often, such as chopin=2,pop909=0.5; others 1"}
    )

    @property
    def targets_on(self) -> str:
        """What the loss is on: `all` or `completion`."""
        if self.loss_on != "auto":
            return self.loss_on
        return "completion" if self.examples == "windows" else "all"


class BatchMaker:
    """Draw batches from a prepared dataset.

    Args:
        store: the training pieces.
        settings: size, seed, augmentation.
        mix: shares of the kinds of example.

    Raises:
        ConfigError: folder_weights is not a list of NAME=NUMBER.
        DatasetError: no piece is long enough for a window.

    """

    def __init__(
        self,
        store: PieceStore,
        settings: BatchSettings,
        mix: ExampleMix | None = None,
    ) -> None:
        self.store = store
        self.settings = settings
        vocabulary = store.tokenizer.vocabulary
        self.maker = example_maker(store, settings, mix)
        self.targets = TargetMask(vocabulary)
        self._augmenter = Augmenter(vocabulary)
        sizes = _sizes(self.maker, store).astype(np.float64)
        weights = np.where(sizes > 0, sizes**settings.length_power, 0.0)  # 0 to the power 0 is 1
        factors = _folder_weights(settings.folder_weights)
        weights *= [factors.get(name.split("/", 1)[0], 1.0) for name in store.names()]
        self.probabilities = weights / weights.sum()
        self._pool: tuple[int, list[list[Example]]] = (-1, [])

    def batch(self, step: int) -> Batch:
        """Return batch number ``step``: input_ids and target_ids int64 [B, T], ctx_lengths int64 [B]."""
        number, place = divmod(step, _POOL)
        if self._pool[0] != number:
            self._pool = (number, self._draw_pool(number))
        return collate(self._pool[1][place], self.targets, self.settings.targets_on)

    def batches(self, first_step: int = 0) -> Iterator[Batch]:
        """Yield batches for ever, from ``first_step`` on."""
        step = first_step
        while True:
            yield self.batch(step)
            step += 1

    def _draw_pool(self, number: int) -> list[list[Example]]:
        size = self.settings.batch_size
        rng = np.random.default_rng([self.settings.seed, number])
        indices = rng.choice(len(self.store), size=size * _POOL, p=self.probabilities)
        examples = [self._draw(int(index), rng) for index in indices]
        examples.sort(key=lambda example: len(example.ids))
        groups = [examples[first : first + size] for first in range(0, len(examples), size)]
        return [groups[index] for index in rng.permutation(len(groups))]

    def _draw(self, index: int, rng: np.random.Generator) -> Example:
        example = self.maker.draw(self.store[index], rng)
        if not self.settings.augment:
            return example
        shift = draw_shift(*self._augmenter.semitone_range(example.ids), rng)
        return Example(self._augmenter.apply(example.ids, shift), example.ctx_len)


def _folder_weights(text: str) -> dict[str, float]:
    """Read ``chopin=2,pop909=0.5``."""
    weights: dict[str, float] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        name, _, number = (side.strip() for side in part.partition("="))
        try:
            weight = float(number)
        except ValueError:
            raise ConfigError(f"folder_weights: {part[:60]!r} is not NAME=NUMBER, such as chopin=2") from None
        if not 0 < weight <= MAX_FOLDER_WEIGHT:  # not NaN either
            raise ConfigError(
                f"folder_weights: {part[:60]!r}: give a number above 0, at most {MAX_FOLDER_WEIGHT}; leave a folder "
                "out with prepare --exclude"
            )
        if name in weights:
            raise ConfigError(f"folder_weights: {name} is given twice; give each folder one number")
        weights[name] = weight
    return weights


class TargetMask:
    """Make targets: the next id, or IGNORE where the composer decides and not the model."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._asked = np.isin(vocabulary.kinds, _ASKED)
        self._is_beside = PromptWriter(vocabulary).is_beside
        self.pad = vocabulary.id("PAD_None")

    def __call__(self, ids: NDArray[np.int32], ctx_len: int, loss_on: str) -> NDArray[np.int64]:
        """Return targets for ids[:-1]: int64 [T − 1]."""
        targets = ids[1:].astype(np.int64)
        targets[self._asked[ids[1:]]] = IGNORE
        if loss_on == "completion":
            targets[: ctx_len - 1] = IGNORE
            targets[ctx_len - 1 :][self._is_beside(ids[ctx_len:])] = IGNORE
        return targets


def collate(examples: list[Example], targets: TargetMask, loss_on: str = "all") -> Batch:
    """Pad examples on the right into one batch: input_ids, target_ids int64 [B, T], ctx_lengths int64 [B]."""
    longest = max(len(example.ids) for example in examples) - 1
    input_ids = np.full((len(examples), longest), targets.pad, dtype=np.int64)
    target_ids = np.full((len(examples), longest), IGNORE, dtype=np.int64)
    for row, example in enumerate(examples):
        length = len(example.ids) - 1
        input_ids[row, :length] = example.ids[:-1]
        target_ids[row, :length] = targets(example.ids, example.ctx_len, loss_on)
    ctx_lengths = np.array([example.ctx_len for example in examples], dtype=np.int64)
    return {"input_ids": input_ids, "target_ids": target_ids, "ctx_lengths": ctx_lengths}


def example_maker(
    store: PieceStore, settings: BatchSettings, mix: ExampleMix | None = None
) -> ExampleMaker | WindowMaker:
    """Return what cuts examples from pieces, as the settings say."""
    vocabulary = store.tokenizer.vocabulary
    if settings.examples == "windows":
        return WindowMaker(vocabulary, settings.max_tokens, store.header)
    return ExampleMaker(vocabulary, settings.max_tokens, mix)


def _sizes(maker: ExampleMaker | WindowMaker, store: PieceStore) -> NDArray[np.int64]:
    sizes = maker.sizes(store)
    if len(store) == 0:
        raise DatasetError(f"{store.folder}: no pieces to train on and validate with; prepare a folder with more works")
    if not sizes.any():
        header = store.header
        raise DatasetError(
            f"{store.folder}: no piece has the {header.context_bars} + {header.completion_bars} bars of a window; "
            "prepare with fewer, or train with --set examples=mix"
        )
    return sizes


def validation_batches(
    store: PieceStore,
    *,
    n_examples: int,
    max_tokens: int,
    batch_size: int = 8,
    mix: ExampleMix | None = None,
    examples: str = "mix",
) -> list[Batch]:
    """Return the same validation batches every time: unshifted examples from all pieces, sorted by length."""
    settings = BatchSettings(max_tokens=max_tokens, examples=examples)
    maker, mask = example_maker(store, settings, mix), TargetMask(store.tokenizer.vocabulary)
    usable = np.flatnonzero(_sizes(maker, store))
    places = usable[np.linspace(0, len(usable) - 1, n_examples).round().astype(int)]
    drawn = [maker.draw(store[int(place)], np.random.default_rng([7, n])) for n, place in enumerate(places)]
    drawn.sort(key=lambda example: len(example.ids))
    groups = (drawn[first : first + batch_size] for first in range(0, len(drawn), batch_size))
    return [collate(group, mask, settings.targets_on) for group in groups]
