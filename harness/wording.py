# SPDX-License-Identifier: Apache-2.0
"""Words for people: how many of something there are, the first of many, and which known name may have been meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

_FEW_LETTERS = 2
_ENDLESS = re.compile(r"(\S{150})\S{150,}(\S{50})")


def without_endless(text: str) -> str:
    """The text with the middle of each word left out that has more than 350 letters, as somebody's mistake has them."""
    return _ENDLESS.sub(r"\1…\2", text)


def counted(number: int, one: str, more: str = "") -> str:
    """`1 cell`, `2 cells`; with `more`, what stands after any other number: `1 pod has`, `2 pods have`."""
    return f"{number} {one if number == 1 else more or f'{one}s'}"


def first_few(words: Sequence[str], most: int, between: str = ", ") -> str:
    """`a, b and 3 more` of five; with `between` as `; `, in which words may have commas: `a; b; and 3 more`."""
    more = f"{' ' if between == ', ' else between}and {len(words) - most} more" if len(words) > most else ""
    return between.join(words[:most]) + more


def nearest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """The known word that is most like this one; empty where none is, by difflib's ratio, as like as `cutoff`.

    One of the same letters in another order counts as well, which the ratio has far apart in short words.
    """
    there = list(known)
    near = difflib.get_close_matches(word, there, n=1, cutoff=cutoff)
    return next(iter(near or (it for it in there if len(it) > _FEW_LETTERS and sorted(it) == sorted(word))), "")


def did_you_mean(name: str) -> str:
    """The end of a message about a name that is not known: `; did you mean main?`. Empty for an empty name."""
    return f"; did you mean {name}?" if name else ""
