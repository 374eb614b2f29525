"""Texts of fields to values: one by one, or a column at once with the same result. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from equipment.text_line import FieldType, LineField, TimeUnit
from equipment.text_profile import TextPoint
from protocols.readers import T_US_MOST

#: Whole numbers have 64 bits.
_WHOLE_LEAST, _WHOLE_MOST = -(1 << 63), (1 << 63) - 1

#: Microseconds of a unit, for those whose numbers a float64 holds to the microsecond.
_FACTORS: Final = {TimeUnit.S: 1e6, TimeUnit.MS: 1e3}

NO_NUMBER: Final = "is not a number"
NOT_FINITE: Final = "is not finite"
NOT_WHOLE: Final = "is not a whole number of 64 bits"
NO_TEXT: Final = "has characters that can't be printed"
NO_TIME: Final = "is no time that can be true"

Array = NDArray[np.generic]


class WrongError(Exception):
    """A text is not what its field holds; says why, without the text."""


class Cells:
    """How the texts of one field become values."""

    def __init__(
        self,
        name: str,
        type_: FieldType,
        *,
        none: str | None = None,
        scale: float = 1.0,
        offset: float = 0.0,
        unit: TimeUnit | None = None,
    ) -> None:
        self.name = name
        self._type = type_
        self._none = none
        self._scale, self._offset = scale, offset
        self._unit = unit
        # Scaled, or with gaps, whole numbers are floats as well.
        plain = none is None and (scale, offset) == (1.0, 0.0)
        self._whole = type_ is FieldType.TIME or (type_ is FieldType.INTEGER and plain)

    @classmethod
    def of_field(cls, field: LineField) -> Cells:
        """Those of a column of records."""
        unit = field.time_unit if field.type is FieldType.TIME else None
        return cls(
            field.name,
            field.type,
            none=field.none,
            scale=field.scale,
            offset=field.offset,
            unit=unit,
        )

    @classmethod
    def of_point(cls, point: TextPoint) -> Cells:
        """Those of a point, as the device gave them: the point itself scales."""
        return cls(point.name, FieldType(point.type), none=point.none)

    def read(self, texts: Sequence[str]) -> tuple[Array, dict[int, str]]:
        """(n,) texts as a column, and what is wrong with some of them, by position.

        Numbers are float64, whole ones int64, times int64 in microseconds, texts are objects. What
        stands at a wrong one's place means nothing; NaN where the device has no value.
        """
        column = self._at_once(texts)
        if column is not None:
            return column, {}
        values: list[float | int | str] = []
        wrong: dict[int, str] = {}
        for position, text in enumerate(texts):
            try:
                values.append(self.value(text))
            except WrongError as error:
                wrong[position] = str(error)
                values.append("" if self._type is FieldType.TEXT else 0)
        return self._array(values), wrong

    def value(self, text: str) -> float | int | str:
        """The value of one text.

        Raises:
            WrongError: it is not what the field holds.
        """
        text = text.strip()
        if self._type is FieldType.TEXT:
            if not text.isprintable():
                raise WrongError(NO_TEXT)
            return text
        if self._none is not None and text == self._none:
            return math.nan
        if not text.isascii() or "_" in text:  # which Python's numbers may hold
            raise WrongError(NOT_WHOLE if self._type is FieldType.INTEGER else NO_NUMBER)
        if self._type is FieldType.TIME:
            return self._time(text)
        if self._type is FieldType.NUMBER:
            return self._scaled(_float(text))
        whole = _whole(text)
        return whole if self._whole else self._scaled(float(whole))

    def _scaled(self, raw: float) -> float:
        value = raw * self._scale + self._offset
        if not math.isfinite(value):
            raise WrongError(NOT_FINITE)
        return value

    def _time(self, text: str) -> int:
        if self._unit in _FACTORS:
            time_us = round(_float(text) * _FACTORS[self._unit])
        else:
            time_us = _whole(text) // (1000 if self._unit is TimeUnit.NS else 1)
        if not 0 < time_us <= T_US_MOST:
            raise WrongError(NO_TIME)
        return time_us

    def _at_once(self, texts: Sequence[str]) -> Array | None:
        """As `read`; None where a text may be wrong."""
        joined = "".join(texts)
        if self._type is FieldType.TEXT and not joined.isprintable():
            return None
        if " " in joined or not joined.isprintable():
            texts = [text.strip() for text in texts]
        if self._type is FieldType.TEXT:
            return self._array(texts)
        if not joined.isascii() or "_" in joined:
            return None
        try:
            return self._numbers(texts)
        except (ValueError, OverflowError):
            return None

    def _numbers(self, texts: Sequence[str]) -> Array | None:
        gaps = None
        if self._none is not None and self._none in texts:
            gaps = np.array([text == self._none for text in texts], np.bool_)
            texts = ["0" if text == self._none else text for text in texts]
        if self._type is FieldType.TIME:
            return self._times(texts)
        if self._whole:
            return np.fromiter(map(int, texts), np.int64, len(texts))
        if self._type is FieldType.INTEGER:
            raw = np.fromiter(map(int, texts), np.int64, len(texts)).astype(np.float64)
        else:
            raw = np.fromiter(map(float, texts), np.float64, len(texts))
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = raw * self._scale + self._offset
        if not np.isfinite(scaled).all():
            return None
        if gaps is not None:
            scaled[gaps] = np.nan
        return scaled

    def _times(self, texts: Sequence[str]) -> Array | None:
        if self._unit in _FACTORS:
            with np.errstate(over="ignore"):
                raw = np.fromiter(map(float, texts), np.float64, len(texts))
                scaled = np.rint(raw * _FACTORS[self._unit])
            if not ((scaled > 0) & (scaled <= T_US_MOST)).all():
                return None
            return scaled.astype(np.int64)
        times = np.fromiter(map(int, texts), np.int64, len(texts))
        if self._unit is TimeUnit.NS:
            times //= 1000
        return times if ((times > 0) & (times <= T_US_MOST)).all() else None

    def _array(self, values: Sequence[float | int | str]) -> Array:
        if self._type is FieldType.TEXT:
            return np.array(values, dtype=object)
        return np.array(values, np.int64 if self._whole else np.float64)


def _float(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise WrongError(NO_NUMBER) from None
    if not math.isfinite(value):
        raise WrongError(NOT_FINITE)
    return value


def _whole(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        raise WrongError(NOT_WHOLE) from None
    if not _WHOLE_LEAST <= value <= _WHOLE_MOST:
        raise WrongError(NOT_WHOLE)
    return value
