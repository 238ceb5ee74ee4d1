# SPDX-License-Identifier: MIT
"""What the client's values have in common: immutable, compared by what they
hold, and with a text for each field, which help() shows."""

from __future__ import annotations

from typing import Any, Iterable, Tuple


class Value:
    """A frozen dataclass whose __slots__ are its fields and their texts."""

    __slots__ = ()

    # A frozen object with slots cannot be filled after it was made.
    def __reduce__(self) -> Tuple[Any, ...]:
        names: Iterable[str] = type(self).__slots__
        return type(self), tuple(getattr(self, name) for name in names)
