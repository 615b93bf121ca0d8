"""What an operator can set: by flag, by environment variable `READMORE_*`, or in a TOML file; the first that says it counts."""

import hashlib
import re
import secrets
from collections.abc import Callable, Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from limits import parse
from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, NoDecode, SettingsConfigDict, TomlConfigSettingsSource

from index.journal.address import JournalAddress as OfJournal
from recommender.errors import InputError
from recommender.vectors.milvus_client import MilvusAddress as OfVectors

PREFIX = "READMORE_"


def hashed(key: str) -> str:
    """What is kept of a key: `sha256:` and 64 hex digits."""
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


def new_key() -> str:
    """A key that nobody guesses: 256 bits."""
    return f"readmore_{secrets.token_urlsafe(32)}"


def _listed(given: Any) -> Any:
    return [part.strip() for part in given.split(",") if part.strip()] if isinstance(given, str) else given


def _rate(given: str) -> str:
    if given:
        try:
            parse(given)
        except ValueError:
            raise ValueError("write it as 20/second or 600/minute") from None
    return given


def _origin(given: str) -> str:
    if given == "*" or given.count("/") != 2 or not given.startswith(("http://", "https://")):
        raise ValueError("write each as https://www.example.org, without a path")
    return given


def _host(given: str) -> str:
    name = given.lower().removesuffix(".")
    if name != "*" and not re.fullmatch(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*", name):
        raise ValueError("write each as www.example.org, without a port")
    return name


def _network(given: str) -> str:
    ip_network(given, strict=False)
    return given


def _address(parse: Callable[[str], object]) -> AfterValidator:
    def checked(given: str) -> str:
        if given:
            try:
                parse(given)
            except InputError as error:
                raise ValueError(str(error)) from None
        return given

    return AfterValidator(checked)


KeyHash = Annotated[str, Field(pattern="^sha256:[0-9a-f]{64}$")]
Rate = Annotated[str, AfterValidator(_rate)]


class Settings(BaseSettings):
    """How the service runs.

    Attributes:
        index: Folder of the index.
        overrides: A file of what editors pin and block.
        vectors: Where the vectors are, if they are in Milvus: milvus://host:19530/name.
        live: What machines share of live articles and overrides, if several serve: postgresql://user:password@host/database.
        workers: Processes; each answers about as many lists as the first.
        read_keys, admin_keys: Hashes of keys (`serve.py key new`). Without read keys, everybody may read; without admin keys, nobody
            may write.
        rate, text_rate: Requests of one key, or of one address where there are no keys; texts alone. Of each worker.
        cors_origins: Sites whose pages may ask from a browser.
        allowed_hosts: Names by which the service may be asked; `*`: all. Addresses always may.
        cache_s: Seconds until a change reaches all readers; shared caches keep lists no longer. A larger value spares requests.
        header_timeout_s: The headers of a request have to be there within so many seconds.
        body_timeout_s: A body has to be there within so many seconds.
        text_timeout_s: A text is given up after so many seconds, in the queue and with the model.
        text_queue: Texts that wait for the model; more are refused at once.
        stop_timeout_s: On SIGTERM, requests under way have so many seconds.
        trusted_proxies: Addresses whose X-Forwarded-For is believed.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    index: Path
    overrides: Path | None = None
    vectors: Annotated[str, _address(OfVectors.parse)] = ""
    live: Annotated[str, _address(OfJournal.parse), Field(repr=False)] = ""
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8000
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    read_keys: Annotated[tuple[KeyHash, ...], NoDecode, BeforeValidator(_listed)] = ()
    admin_keys: Annotated[tuple[KeyHash, ...], NoDecode, BeforeValidator(_listed)] = ()
    rate: Rate = ""
    text_rate: Rate = ""
    cors_origins: Annotated[tuple[Annotated[str, AfterValidator(_origin)], ...], NoDecode, BeforeValidator(_listed)] = ()
    allowed_hosts: Annotated[tuple[Annotated[str, AfterValidator(_host)], ...], NoDecode, BeforeValidator(_listed)] = ()
    cache_s: Annotated[int, Field(ge=0, le=604_800)] = 60
    header_timeout_s: Annotated[float, Field(gt=0, le=300)] = 10.0
    body_timeout_s: Annotated[float, Field(gt=0, le=300)] = 10.0
    text_timeout_s: Annotated[float, Field(gt=0, le=300)] = 10.0
    text_queue: Annotated[int, Field(ge=0, le=1000)] = 4
    stop_timeout_s: Annotated[int, Field(ge=1, le=300)] = 9
    trusted_proxies: Annotated[tuple[Annotated[str, AfterValidator(_network)], ...], NoDecode, BeforeValidator(_listed)] = ()
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @classmethod
    def settings_customise_sources(cls, settings_cls: Any, init_settings: Any, *others: Any, **more: Any) -> tuple[Any, ...]:
        """All sources are merged by `read_settings`, which knows what came from where."""
        return (init_settings,)


def read_settings(flags: Mapping[str, Any], file: Path | None = None) -> tuple[Settings, dict[str, str]]:
    """The settings in force.

    Returns:
        The settings, and for each the place that it comes from: a flag, a variable, the file, or "default".

    Raises:
        InputError: A value cannot be used; the message names it and where it stands.
    """
    if file is not None and not file.is_file():
        raise InputError(f"{file} is no file - check --config")
    try:
        in_file = TomlConfigSettingsSource(Settings, file)() if file is not None else {}
    except ValueError as error:
        raise InputError(f"{file} is not TOML ({error}) - mend it") from error
    in_environment = EnvSettingsSource(Settings, env_prefix=PREFIX)()
    given = {name: value for name, value in flags.items() if value is not None}
    merged = {**in_file, **in_environment, **given}
    origins = dict.fromkeys(Settings.model_fields, "default")
    origins |= {name: str(file) for name in in_file}
    origins |= {name: f"{PREFIX}{name.upper()}" for name in in_environment}
    origins |= {name: f"--{name.replace('_', '-')}" for name in given}
    try:
        return Settings(**merged), origins
    except ValidationError as error:
        faults = []
        for fault in error.errors(include_url=False, include_input=False):
            name = str(fault["loc"][0])
            faults.append(f"{name} ({origins.get(name, 'missing')}): {fault['msg']}")
        raise InputError("; ".join(faults) + " - see serve.py config show") from error
