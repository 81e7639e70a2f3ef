"""The tables of the queue. Rows are bytes of records; what is beside them is there to be found by."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

TABLES: Final = sa.MetaData()

requests: Final = sa.Table(
    "approval_requests",
    TABLES,
    sa.Column("id", sa.String(128), primary_key=True),
    sa.Column("digest", sa.String(80), nullable=False, index=True),
    sa.Column("asked", sa.BigInteger, nullable=False),
    sa.Column("expires", sa.BigInteger, nullable=False, index=True),
    sa.Column("request", sa.LargeBinary, nullable=False),
    sa.Column("shown", sa.LargeBinary, nullable=False),
    sa.Column(
        "mark", sa.LargeBinary, nullable=False
    ),  # says whether it is seeded to who has the key, and to nobody else
)

statements: Final = sa.Table(
    "approval_statements",
    TABLES,
    sa.Column("request", sa.String(128), primary_key=True),
    sa.Column("by", sa.String(64), primary_key=True),
    sa.Column("answer", sa.String(16), primary_key=True),
    sa.Column("time", sa.BigInteger, nullable=False),
    sa.Column("received", sa.BigInteger, nullable=False),
    sa.Column("envelope", sa.LargeBinary, nullable=False),
)

closed: Final = sa.Table(
    "approval_closed",
    TABLES,
    sa.Column("request", sa.String(128), primary_key=True),
    sa.Column("why", sa.String(32), nullable=False),
    sa.Column("time", sa.BigInteger, nullable=False),
)

views: Final = sa.Table(
    "approval_views",
    TABLES,
    sa.Column("request", sa.String(128), primary_key=True),
    sa.Column("by", sa.String(64), primary_key=True),
    sa.Column("time", sa.BigInteger, nullable=False),
)

counters: Final = sa.Table(
    "approval_counters",
    TABLES,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("counter", sa.BigInteger, nullable=False),
)
