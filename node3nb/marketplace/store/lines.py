"""Who is next: the queue is one line for each shape of job, and an agent looks at their heads.

Jobs that an agent can't do stand in other lines, so that any number of them costs it nothing;
what a look costs grows with how many different shapes wait, not with how many jobs.
"""

from __future__ import annotations

import functools
import heapq
from collections.abc import Sequence

import sqlalchemy as sa

from node3nb.marketplace.database.schema import jobs
from node3nb.marketplace.resources import Resources, of_shape

#: Most lines looked at beyond their heads; a statement of SQLite takes 500 parts.
MOST_LINES = 100

#: Said in words, not as a parameter: only so do both databases use the index of what waits.
WAITS = jobs.c.status == sa.literal_column("'available'")
_ORDER = (jobs.c.precedence, jobs.c.number)
_MOST = sa.bindparam("most", type_=sa.Integer)


def _heads() -> sa.Select[tuple[int, str, float]]:
    """Return the query of the first job of each line.

    The index is entered once for each line: from the head of one, the next is found by the
    smallest shape above (https://wiki.postgresql.org/wiki/Loose_indexscan).
    """
    columns = (jobs.c.number, jobs.c.shape, jobs.c.precedence)
    first = sa.select(*columns).where(WAITS).order_by(jobs.c.shape, *_ORDER).limit(1).subquery()
    heads = sa.select(first).cte("heads", recursive=True)
    above = jobs.alias("above")
    following = (
        sa.select(above.c.number)
        .where(above.c.status == sa.literal_column("'available'"), above.c.shape > heads.c.shape)
        .order_by(above.c.shape, above.c.precedence, above.c.number)
        .limit(1)
        .scalar_subquery()
    )
    heads = heads.union_all(sa.select(*columns).join(heads, jobs.c.number == following))
    return sa.select(heads.c.number, heads.c.shape, heads.c.precedence)


_HEADS = _heads()


def first(connection: sa.Connection, offers: Sequence[Resources], limit: int) -> list[int]:
    """Return the numbers of the first jobs that any of some agents can do, at most `limit`."""
    shapes = _within_reach(connection, offers, min(limit, MOST_LINES))
    if not shapes:
        return []
    named = {f"shape_{number}": shape for number, shape in enumerate(shapes)}
    return list(connection.execute(_fronts(len(shapes)), named | {"most": limit}).scalars())


@functools.lru_cache(MOST_LINES)
def _fronts(count: int) -> sa.Select[int]:
    """Return the query of the first jobs of so many lines; to make one takes longer than to ask."""
    lines = [
        sa.select(jobs.c.precedence, jobs.c.number)
        .where(WAITS, jobs.c.shape == sa.bindparam(f"shape_{number}"))
        .order_by(*_ORDER)
        .limit(_MOST)
        .subquery()
        for number in range(count)
    ]
    together = sa.union_all(*(sa.select(line) for line in lines)).subquery()
    query = sa.select(together.c.number).order_by(together.c.precedence, together.c.number)
    return query.limit(_MOST)


def _within_reach(connection: sa.Connection, offers: Sequence[Resources], most: int) -> list[str]:
    """Return the shapes that an agent covers whose heads come first."""
    heads = connection.execute(_HEADS).all()
    covered = (head for head in heads if _covered(of_shape(head.shape), offers))
    best = heapq.nsmallest(most, covered, key=lambda head: (head.precedence, head.number))
    return [head.shape for head in best]


def _covered(needs: Resources, offers: Sequence[Resources]) -> bool:
    return any(has.cover(needs) for has in offers)
