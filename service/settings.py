"""Read the operator's settings from flags, environment variables `READMORE_*` and a TOML file, in this precedence."""

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
    """Return the stored form of a key: `sha256:` and 64 hex digits."""
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


def new_key() -> str:
    """Return a random key of 256 bits."""
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
    """The settings of the service.

    Attributes:
        index: Folder of the index.
        overrides: A file of the editors' pins and blocks.
        vectors: Address of the vectors, if they are in Milvus: milvus://host:19530/name.
        live: Journal of live articles and overrides, if several serve: postgresql://user:password@host/database.
        workers: Processes. Each adds about the throughput of the first.
        read_keys, admin_keys: Key hashes (`readmore key`). No read keys: public reads. No admin keys: no writes.
        rate, text_rate: Rate limit per key, or per address without keys, on each worker; text_rate counts texts alone.
        cors_origins: Sites whose pages may call the service from a browser.
        allowed_hosts: Host names that the service answers to; `*`: all. IP addresses are always allowed.
        cache_s: Seconds until a change reaches all readers, and limit of shared caches. A larger value saves requests.
        header_timeout_s: Seconds within which the headers of a request must arrive.
        body_timeout_s: Seconds within which a body must arrive.
        text_timeout_s: Seconds after which a text times out, in the queue and in the model.
        text_queue: Texts that wait for the model. Further texts are refused at once.
        stop_timeout_s: Seconds that requests under way have to finish after SIGTERM.
        trusted_proxies: Addresses whose X-Forwarded-For is trusted.
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
        """Use one source only. `read_settings` merges all sources, and knows the origin of each value."""
        return (init_settings,)


def read_settings(flags: Mapping[str, Any], file: Path | None = None) -> tuple[Settings, dict[str, str]]:
    """Return the settings in force.

    Returns:
        The settings, and the origin of each: a flag, a variable, the file, or "default".

    Raises:
        InputError: A value cannot be used. The message names the value and its origin.
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
        raise InputError("; ".join(faults) + " - see readmore serve config show") from error
