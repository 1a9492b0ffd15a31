"""The one rule: value = base value × the product of the factors, in a table of the next steps, a row for each.

Most factors are pure functions of time: their product is worked out for many steps at once. A live term (a user's own
function, a torch scheduler, feedback) is asked at each step and multiplies the row that is written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby, repeat
from typing import Any

import numpy as np
from torch import Tensor

from lr_callbacks.core import param_groups as pg
from lr_callbacks.core.lightning_names import MisconfigurationException
from lr_callbacks.core.schedule_time import Array, same
from lr_callbacks.core.terms import Term

ROWS = 256
"""Rows of a table, at most."""
NUMBERS = 32_768
"""Values of a table, at most."""
Row = float | Array
Foreign = Callable[[pg.ParamGroup, float, float], None]


class HyperTable:
    """The values of one entry (the LR, say) of an optimizer's parameter groups, for the next steps.

    It is made again when groups, base values, the timeline or a factor have changed. It knows the places of the groups,
    never the groups.

    Args:
        param: The entry.
        groups: All groups of the optimizer, their base values written.
        terms: What drives it, in the order of multiplication; or, if they are absolute, what sets it.
        one_by_one: Whether time goes on by one with each step: then later rows are worth their work.
        end: How many steps the run has, if that is known.
        on_foreign: Called with a group, its value, and ours, where other code has written the value.

    Attributes:
        driven: Places of the groups that it writes.
        is_live: Whether a term must be asked at each step.
    """

    def __init__(
        self,
        param: str,
        groups: Sequence[pg.ParamGroup],
        terms: Sequence[Term],
        *,
        one_by_one: bool = True,
        end: int | None = None,
        on_foreign: Foreign | None = None,
    ) -> None:
        self.param = param
        self.driven = sorted(
            {number for term in terms for number in term.groups if pg.get_value(groups[number], param) is not None}
        )
        self._terms = list(terms)
        self._all = len(self.driven) == len(groups)
        self._absolute = any(term.absolute for term in terms)
        self.is_live = any(term.live for term in terms)
        self._bases = np.array([float(groups[number].get(pg.base_key(param), 0.0)) for number in self.driven])
        self._base = float(self._bases[0]) if self.driven and (self._bases == self._bases[0]).all() else None
        self._columns = {id(term): self._columns_of(term) for term in terms}
        self._end = end
        self._most = max(1, min(ROWS, NUMBERS // max(len(self.driven), 1))) if one_by_one else 1
        self._on_foreign = on_foreign
        self._first = 0
        self._rows: list[Any] = []  # of each step one number, or one for each driven group
        self._parts: list[tuple[list[Row] | None, Term | None]] = []  # known rows and live terms, in their order
        self._written: Any = None  # what the groups hold, where that is known
        self._is_plain = all(type(groups[number].get(param)) is float for number in self.driven)

    def _columns_of(self, term: Term) -> tuple[list[int], list[int]] | None:
        """Where a term's groups are among the driven ones, and which of them; None if they are the same."""
        if list(term.groups) == self.driven:
            return None
        places = {number: place for place, number in enumerate(self.driven)}
        known = [which for which, number in enumerate(term.groups) if number in places]
        return [places[term.groups[which]] for which in known], known

    # ------------------------------------------------------------------ values
    def values(self, steps: Any) -> Array:
        """The values at a column of steps, (steps, driven groups); only for a table without live terms."""
        shape = (len(steps), len(self.driven))
        if self._absolute:
            values = np.broadcast_to(self._bases, shape).copy()
            for term in self._terms:
                values[:, self._of(term)] = self._own(term, steps)
            return values
        values = np.broadcast_to(self._product(self._terms, steps) * self._bases, shape)
        return values

    def _of(self, term: Term) -> Any:
        columns = self._columns[id(term)]
        return slice(None) if columns is None else columns[0]

    def _own(self, term: Term, steps: Any) -> Array:
        """What a term gives at a column of steps, for its driven groups.

        Raises:
            MisconfigurationException: If a factor is negative or not finite.
        """
        own = np.asarray(term.values(steps), dtype=np.float64)
        _check(term, own)
        columns = self._columns[id(term)]
        return own if columns is None or own.shape[-1] == 1 else own[:, columns[1]]

    def _product(self, terms: Sequence[Term], steps: Any) -> Array:
        product: Array = np.ones((1, 1))
        for term in terms:
            own = self._own(term, steps)
            if self._columns[id(term)] is None:
                product = product * own
            else:
                product = np.array(np.broadcast_to(product, (len(steps), len(self.driven))))
                product[:, self._of(term)] *= own
        return product

    def _fill(self, step: int) -> None:
        # after a jump, as by the wall clock, later rows would be wasted
        follows = 0 <= step - self._first - max(len(self._rows), 1) < self._most or not self._rows
        count = self._most if follows else 1
        if self._end is not None:
            count = max(1, min(count, self._end + 1 - step))
        self._first, steps = step, np.arange(step, step + count)[:, None]
        if not self.is_live:
            self._rows = rows_of(self.values(steps))
            return
        self._parts = []
        for live, terms in groupby(self._terms, key=lambda term: term.live):
            if live:
                self._parts += [(None, each) for each in terms]
            elif not self._parts:
                self._parts.append((self._known_rows(list(terms), steps), None))
            else:  # one at a time: so the order of multiplication is that of the terms
                self._parts += [(self._known_rows([each], steps), None) for each in terms]
        self._rows = [None] * count

    def _known_rows(self, terms: list[Term], steps: Any) -> list[Row]:
        product = np.broadcast_to(self._product(terms, steps), (len(steps), len(self.driven)))
        return [same(row) for row in product]

    def _live_row(self, step: int) -> Any:
        """The values of one step, live terms asked."""
        if self._absolute:
            row = self._bases.copy()
            for term in self._terms:
                row[self._of(term)] = self._spread(term, term.at(step))[self._of(term)]
            return row.tolist()
        product: Row = 1.0
        for rows, live in self._parts:
            if live is not None:
                own = live.at(step)
                is_one = isinstance(own, int | float) and self._columns[id(live)] is None
                product = product * (own if is_one else self._spread(live, own))
            elif rows is not None:
                product = product * rows[step - self._first]
        if self._base is not None and isinstance(product, float):
            return float(product * self._base)
        return (product * self._bases).tolist()

    def _spread(self, term: Term, own: Any) -> Array:
        """What a term gives at one step, for all driven groups: 1 where it does nothing."""
        spread, columns = np.ones(len(self.driven)), self._columns[id(term)]
        own = np.asarray(own, dtype=np.float64)
        if columns is not None and own.ndim > 0 and own.shape[-1] == len(term.groups):
            own = own[columns[1]]
        spread[self._of(term)] = own
        return spread

    def check(self, step: int) -> None:
        """Reject a factor of a live term that no schedule may have.

        Raises:
            MisconfigurationException: If a factor is negative or not finite.
        """
        for term in self._terms:
            if term.live:
                _check(term, np.asarray(term.at(step), dtype=np.float64))

    def factors(self, step: int) -> Array:
        """The product of all factors of each driven group at a step."""
        product: Array = np.ones(len(self.driven))
        for term in self._terms:
            product = product * self._spread(term, term.at(step) if term.live else term.values(np.array([[step]]))[0])
        return product

    # ------------------------------------------------------------------ writing
    def write(self, groups: list[pg.ParamGroup], step: int) -> None:
        """Write what step `step` uses into the groups."""
        place = step - self._first
        if not 0 <= place < len(self._rows):
            self._fill(step)
            place = 0
        values = self._live_row(step) if self.is_live else self._rows[place]
        mine = groups if self._all else [groups[number] for number in self.driven]
        key, written = self.param, self._written
        if not self._is_plain:
            for group, value in zip(mine, values if values.__class__ is list else repeat(values), strict=False):
                pg.set_value(group, key, value)
        elif values.__class__ is float and written.__class__ is float:
            for group in mine:
                if group[key] is written:
                    group[key] = values
                else:
                    self._replace(group, values, written)
        else:
            row = values if values.__class__ is list else [values] * len(mine)
            lasts = written if written.__class__ is list else [written] * len(mine)
            for group, value, last in zip(mine, row, lasts, strict=True):
                if group[key] is last:
                    group[key] = value
                else:
                    self._replace(group, value, last)
        self._written = values

    def _replace(self, group: pg.ParamGroup, value: float, last: float | None) -> None:
        """Write over what may not be the very object that was written last: a value of other code, or a tensor."""
        held = group[self.param]
        if isinstance(held, Tensor):
            self._is_plain = False
        elif last is not None and held != last and self._on_foreign is not None:
            self._on_foreign(group, float(held), last)
        pg.set_value(group, self.param, value)


def make_tables(
    terms: Sequence[Term],
    groups: Sequence[pg.ParamGroup],
    *,
    one_by_one: bool,
    end: int | None,
    on_foreign: Foreign,
) -> list[HyperTable]:
    """A table for each entry that terms drive; LRs are watched for values of other code."""
    tables = []
    for param in dict.fromkeys(term.param for term in terms):
        mine, watch = [term for term in terms if term.param == param], on_foreign if param == "lr" else None
        tables.append(HyperTable(param, groups, mine, one_by_one=one_by_one, end=end, on_foreign=watch))
    return tables


def rows_of(values: Array) -> list[Any]:
    """Each row as one number where all of its entries are equal in all rows, else as a list."""
    if values.shape[1] and (values == values[:, :1]).all():
        numbers: list[Any] = values[:, 0].tolist()
        return numbers
    lists: list[Any] = values.tolist()
    return lists


def _check(term: Term, own: Array) -> None:
    if not ((own >= 0) & (own < np.inf)).all():
        wrong = float(own[~((own >= 0) & (own < np.inf))].ravel()[0])
        raise MisconfigurationException(f"{term.schedule!r}: a factor must be finite and at least 0, got {wrong!r}")
