"""Parse the address of the journal, the PostgreSQL database through which machines share updates.

    postgresql://readmore:password@host/readmore       as every program of PostgreSQL accepts it, options included

An address is displayed without user, password and options.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from recommender.errors import InputError

VARIABLE = "READMORE_LIVE"
"""Environment variable with the default address."""

ADDRESS = re.compile(r"postgres(ql)?://([^@/?#\s]+@)?(?P<where>[^@?#\s]*)(\?[^@#\s]*)?")
NO_BYTE = re.compile(r"%(?![0-9A-Fa-f]{2})|%00")


@dataclass(frozen=True, slots=True)
class JournalAddress:
    """The address of a journal.

    Attributes:
        url: The URL that PostgreSQL connects to.
        where: Host, port and database.
    """

    url: str = field(repr=False)
    where: str

    @classmethod
    def parse(cls, text: str) -> "JournalAddress":
        """Read `postgresql://user:password@host:5432/database`.

        Raises:
            InputError: The text is not a valid address.
        """
        found = ADDRESS.fullmatch(text)
        if found is None or NO_BYTE.search(text):
            raise InputError(
                "this is no address of a journal - write postgresql://user:password@host/database, "
                "and other characters than letters and digits of the password as %40"
            )
        return cls(text, found["where"])

    def without_options(self, said: str) -> str:
        """Return a message of PostgreSQL without the values of the address's options."""
        for _, value in parse_qsl(self.url.partition("?")[2]):
            for part in re.split(r"[\s=]|-c", value):
                said = said.replace(part, "...") if part else said
        return said

    def __str__(self) -> str:
        return f"postgresql://{self.where}"
