"""Files for `locate` and `evaluate`: the filter's settings, and what of each run is scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from equipment.toml_source import ConfigurationError, Mistake, TomlSource, mistakes_of, parse_toml
from gateway.config.files import read_text
from positioning.accuracy import Window
from positioning.recording import Run
from positioning.settings import TrackerSettings
from positioning.windows import Box, window_between

_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


def _source(file: Path) -> TomlSource:
    """Raises ConfigurationError: it can't be read, or is not TOML."""
    if not file.exists():
        raise ConfigurationError([Mistake(str(file), 0, "", "no such file")])
    return parse_toml(read_text(file.parent, file.name), str(file))


@cache
def _settings_model() -> type[BaseModel]:
    """The keys of `TrackerSettings`, none of which may be negative."""
    kinds = get_type_hints(TrackerSettings)
    keys: dict[str, Any] = {
        key.name: (kinds[key.name], Field(default=key.default, ge=0))
        for key in fields(TrackerSettings)
    }
    return create_model("Settings", __config__=_STRICT, **keys)


def read_settings(file: Path) -> TrackerSettings:
    """The filter's settings of a TOML file, whose keys are those of `TrackerSettings`.

    A key that is not in the file has its default.

    Raises:
        ConfigurationError: the file can't be read or a key is wrong; tells line and remedy.
    """
    source, model = _source(file), _settings_model()
    try:
        values = model.model_validate(source.data)
    except ValidationError as error:
        raise ConfigurationError(mistakes_of(error, source, model)) from None
    return TrackerSettings(**values.model_dump())


class _BoxKeys(BaseModel):
    """Borders of a part of the plane, metres; where there is none it has no border."""

    model_config = _STRICT

    x_min: float = Field(default=-1e9)
    x_max: float = Field(default=1e9)
    y_min: float = Field(default=-1e9)
    y_max: float = Field(default=1e9)

    def box(self) -> Box:
        return Box(x_min=self.x_min, x_max=self.x_max, y_min=self.y_min, y_max=self.y_max)


class _WindowKeys(BaseModel):
    """One `[[window]]`: for runs with names like `runs`, from where to where they are scored."""

    model_config = _STRICT

    runs: str
    from_first: _BoxKeys = _BoxKeys()
    to_last: _BoxKeys = _BoxKeys()


class _WindowsKeys(BaseModel):
    """A file of windows."""

    model_config = _STRICT

    window: list[_WindowKeys] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Windows:
    """What of which runs is scored; of several windows for one run the first one counts."""

    source: TomlSource
    keys: tuple[_WindowKeys, ...]

    def of_run(self, run: Run) -> Sequence[Window] | None:
        """The window of each of the run's cards; None where the file says nothing of this run.

        Raises:
            ConfigurationError: a card with a truth was never where the window begins or ends.
        """
        for place, keys in enumerate(self.keys):
            if fnmatchcase(run.name, keys.runs):
                return [self._of_card(run, card, place) for card in range(len(run.tags))]
        return None

    def _of_card(self, run: Run, card: int, place: int) -> Window:
        keys = self.keys[place]
        if run.truth is None or not (run.truth.card == card).any():
            return lambda times: np.zeros(len(times), np.bool_)
        window = window_between(run.truth, card, keys.from_first.box(), keys.to_last.box())
        if window is None:
            tag = run.tags[card]
            problem = f"tag {tag} of run {run.name!r} was never truly there, or not in this order"
            raise ConfigurationError([self.source.mistake(("window", place), problem)])
        return window


def read_windows(file: Path) -> Windows:
    """The windows of a TOML file.

    Raises:
        ConfigurationError: the file can't be read or a key is wrong; tells line and remedy.
    """
    source = _source(file)
    try:
        keys = _WindowsKeys.model_validate(source.data)
    except ValidationError as error:
        raise ConfigurationError(mistakes_of(error, source, _WindowsKeys)) from None
    return Windows(source, tuple(keys.window))
