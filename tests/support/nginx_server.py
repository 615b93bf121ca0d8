"""Run a real nginx in front of the service with the shipped file. Only its ports and its cache folder differ."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx

from tests.support.milvus_server import free_ports
from tests.support.served import ROOT

EXAMPLE = ROOT / "examples" / "deploy" / "nginx.conf"
SYSTEM = "/usr/sbin:/usr/local/sbin"
"""Folders in which Debian keeps nginx. They are only on root's search path."""

MAIN = """
{user}
daemon off;
pid nginx.pid;
error_log error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include site.conf;
}}
"""


@dataclass(frozen=True, slots=True)
class Nginx:
    """A running nginx.

    Attributes:
        address: Address of the site.
    """

    address: str
    folder: Path

    def client(self, source: str = "127.0.0.1", **options: Any) -> httpx.Client:
        """Return the client of a reader with an address of its own (127.0.0.0/8 is all loopback)."""
        return httpx.Client(base_url=self.address, transport=httpx.HTTPTransport(local_address=source), timeout=30, **options)

    @property
    def errors(self) -> str:
        return (self.folder / "error.log").read_text(encoding="utf-8")


@contextmanager
def nginx_before(service: str, folder: Path) -> Iterator[Nginx]:
    """Run nginx until the context ends. Yield it when it is ready.

    Args:
        service: Address of the service.
    """
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:{SYSTEM}")
    assert program, "nginx is not installed - make programs"
    folder.mkdir()
    port = free_ports(["site"])["site"]
    site = EXAMPLE.read_text(encoding="utf-8")
    for pattern, ours in (
        (r"(?<=proxy_cache_path )\S+", "cache"),
        (r"(?<=server )127\.0\.0\.1:8000", service.removeprefix("http://")),
        (r"(?<=listen )8080", f"127.0.0.1:{port}"),
    ):
        site, n_places = re.subn(pattern, ours, site)
        assert n_places == 1, pattern
    (folder / "site.conf").write_text(site, encoding="utf-8")
    user = "user root;" if os.geteuid() == 0 else ""  # this process owns its folders
    (folder / "nginx.conf").write_text(MAIN.format(user=user), encoding="utf-8")
    with subprocess.Popen([program, "-p", f"{folder}/", "-c", "nginx.conf"], stderr=subprocess.PIPE, text=True) as process:
        try:
            site_of_nginx = Nginx(f"http://127.0.0.1:{port}", folder)
            while True:
                assert process.poll() is None, process.stderr.read() if process.stderr else ""
                try:
                    httpx.get(f"{site_of_nginx.address}/metrics")
                    break
                except httpx.ConnectError:
                    time.sleep(0.05)
            yield site_of_nginx
        finally:
            process.terminate()
            process.wait(20)
