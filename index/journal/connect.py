"""Open the journal at an address."""

from typing import TYPE_CHECKING

from index.journal.address import JournalAddress
from recommender.errors import InputError
from recommender.installation import not_installed

if TYPE_CHECKING:
    from index.journal.journal import Journal


def opened(address: str) -> "Journal | None":
    """Return the journal at an address, without connecting yet. Return None for an empty address: the machine is alone.

    Raises:
        InputError: The address is not valid, or packages are missing.
    """
    if not address:
        return None
    parsed = JournalAddress.parse(address)
    try:
        from index.journal.journal import Journal
    except ModuleNotFoundError as error:
        raise InputError(f"a shared journal cannot be used: {not_installed(str(error.name), 'postgres')}") from error
    return Journal(parsed)
