"""Where machines share what is put and said: the address of a PostgreSQL database.

    postgresql://readmore:password@host/readmore       as every program of PostgreSQL takes it, options too

Nothing that is shown of an address holds the user, the password or an option.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from recommender.errors import InputError

VARIABLE = "READMORE_LIVE"
"""Of the environment: the address, where none is given."""

ADDRESS = re.compile(r"postgres(ql)?://([^@/?#\s]+@)?(?P<where>[^@?#\s]*)(\?[^@#\s]*)?")
NO_BYTE = re.compile(r"%(?![0-9A-Fa-f]{2})|%00")


@dataclass(frozen=True, slots=True)
class JournalAddress:
    """Where a journal lies.

    Attributes:
        url: What PostgreSQL connects to.
        where: Host, port and database.
    """

    url: str = field(repr=False)
    where: str

    @classmethod
    def parse(cls, text: str) -> "JournalAddress":
        """Read `postgresql://user:password@host:5432/database`.

        Raises:
            InputError: It is something else.
        """
        found = ADDRESS.fullmatch(text)
        if found is None or NO_BYTE.search(text):
            raise InputError(
                "this is no address of a journal - write postgresql://user:password@host/database, "
                "and other characters than letters and digits of the password as %40"
            )
        return cls(text, found["where"])

    def without_options(self, said: str) -> str:
        """What PostgreSQL says, less what the address' options are set to."""
        for _, value in parse_qsl(self.url.partition("?")[2]):
            for part in re.split(r"[\s=]|-c", value):
                said = said.replace(part, "...") if part else said
        return said

    def __str__(self) -> str:
        return f"postgresql://{self.where}"
