"""The register of a guard's home: its database, its policy, its people, put together."""

from __future__ import annotations

from functools import partial

from obverse.guard.grants.register import Register
from obverse.guard.home import Home
from obverse.guard.people import read_people
from obverse.guard.ports import Fresh


def open_register(home: Home, *, fresh: Fresh) -> Register:
    """The register: for the guard itself, and for every process in which people give and revoke.

    Raises:
        UnavailableError: the database cannot be opened.
        ManyErrors: the policy cannot be read.
    """
    return Register(home.database, home.loaded.checked, partial(read_people, home.people), fresh=fresh)
