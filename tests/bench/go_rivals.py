"""Gateways in Go that do the same work, where their binaries are found: oauth2-proxy, heimdall, Oathkeeper.

`BENCH_RIVALS` names binaries, or directories with some of them, with `:` between. None is installed here: nothing is
fetched and built for a benchmark that whoever runs it has not chosen.
"""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.bench.peers import Peer, Site, Starter, gateway, write
from tests.bench.programs import TESTED, CannotMeasure, free_port, start
from tests.bench.races import Comparison, Effort, Race, Side
from tests.bench.results import Result
from tests.bench.tokens import AUDIENCE, ISSUER
from tests.bench.written import as_yaml

VARIABLE: Final = "BENCH_RIVALS"
#: how many times each
TARGET: Final = 8.0


def _environment() -> dict[str, str]:
    """One thread that runs Go, as every contender has one core; nobody is told that it was started."""
    return {**os.environ, "GOMAXPROCS": "1", "SQA_OPT_OUT": "true"}


def _jwks_url(site: Site) -> str:
    return f"http://127.0.0.1:{site.api}/jwks.json"


def _oauth2_proxy(site: Site, port: int) -> tuple[dict[str, Any], list[str]]:
    provider = {
        "id": "bench",
        "provider": "oidc",
        "clientID": AUDIENCE,
        "clientSecret": secrets.token_hex(16),
        "loginURL": f"{ISSUER}authorize",
        "redeemURL": f"{ISSUER}token",
        "oidcConfig": {
            "issuerURL": ISSUER,
            "skipDiscovery": True,
            "jwksURL": _jwks_url(site),
            "audienceClaims": ["aud"],
            # Machines have no address: the subject is all that it can take for one.
            "emailClaim": "sub",
            "userIDClaim": "sub",
            "groupsClaim": "client_id",
            "insecureAllowUnverifiedEmail": True,
        },
    }
    headers = {"X-User-Id": "user", "X-Client-Id": "groups"}
    config = {
        "server": {"bindAddress": f"127.0.0.1:{port}"},
        "upstreamConfig": {"upstreams": [{"id": "api", "path": "/", "uri": f"http://127.0.0.1:{site.api}"}]},
        "providers": [provider],
        "injectRequestHeaders": [
            {"name": name, "values": [{"claimSource": {"claim": claim}}]} for name, claim in headers.items()
        ],
    }
    arguments = [
        "--skip-jwt-bearer-tokens", "--api-route=^/", "--email-domain=*", "--cookie-secure=false",
        f"--cookie-secret={secrets.token_hex(16)}",
    ]  # fmt: skip
    return config, arguments


def _oauth2_proxy_command(binary: Path, site: Site, name: str, port: int) -> tuple[list[str], str]:
    config, arguments = _oauth2_proxy(site, port)
    text = as_yaml(config)
    return [str(binary), "--alpha-config", str(write(site, f"{name}.yaml", text)), *arguments], text


def _heimdall_command(binary: Path, site: Site, name: str, port: int) -> tuple[list[str], str]:
    jwt = {
        "jwks_endpoint": {"url": _jwks_url(site)},
        "assertions": {"issuers": [ISSUER], "audience": [AUDIENCE], "allowed_algorithms": ["RS256"]},
    }
    headers = {"X-User-Id": "{{ .Subject.ID }}", "X-Client-Id": '{{ index .Subject.Attributes "client_id" }}'}
    rules = {
        "version": "1alpha4",
        "name": "bench",
        "rules": [
            {
                "id": "all",
                "match": {"routes": [{"path": "/"}, {"path": "/**"}]},
                "forward_to": {"host": f"127.0.0.1:{site.api}", "rewrite": {"scheme": "http"}},
                "execute": [{"authenticator": "jwt"}, {"authorizer": "allow"}, {"finalizer": "caller"}],
            }
        ],
    }
    config = {
        "serve": {"host": "127.0.0.1", "port": port},
        "management": {"host": "127.0.0.1", "port": free_port()},
        "log": {"level": "info", "format": "gelf"},
        "metrics": {"enabled": False},
        "tracing": {"enabled": False},
        "mechanisms": {
            "authenticators": [{"id": "jwt", "type": "jwt", "config": jwt}],
            "authorizers": [{"id": "allow", "type": "allow"}],
            "finalizers": [{"id": "caller", "type": "header", "config": {"headers": headers}}],
        },
        "providers": {"file_system": {"src": str(write(site, f"{name}-rules.yaml", as_yaml(rules)))}},
    }
    text = as_yaml(config)
    command = [str(binary), "serve", "proxy", "--insecure", "-c", str(write(site, f"{name}.yaml", text))]
    return command, f"{text}---\n{as_yaml(rules)}"


def _oathkeeper_command(binary: Path, site: Site, name: str, port: int) -> tuple[list[str], str]:
    headers = {"X-User-Id": "{{ print .Subject }}", "X-Client-Id": "{{ print .Extra.client_id }}"}
    jwt = {
        "jwks_urls": [f"file://{site.tokens.jwks_file}"],
        "trusted_issuers": [ISSUER],
        "target_audience": [AUDIENCE],
        "allowed_algorithms": ["RS256"],
    }
    rules = [
        {
            "id": "all",
            "upstream": {"url": f"http://127.0.0.1:{site.api}"},
            "match": {
                "url": f"http://127.0.0.1:{port}/<.*>",
                "methods": ["GET", "POST"],
            },
            "authenticators": [{"handler": "jwt"}],
            "authorizer": {"handler": "allow"},
            "mutators": [{"handler": "header"}],
            "errors": [{"handler": "json"}],
        }
    ]
    config = {
        "log": {"level": "info", "format": "json"},
        "serve": {
            "proxy": {"host": "127.0.0.1", "port": port},
            "api": {"host": "127.0.0.1", "port": free_port()},
            "prometheus": {"host": "127.0.0.1", "port": free_port()},
        },
        "access_rules": {
            "repositories": [f"file://{write(site, f'{name}-rules.json', json.dumps(rules, indent=1))}"],
            "matching_strategy": "regexp",
        },
        "authenticators": {"jwt": {"enabled": True, "config": jwt}},
        "authorizers": {"allow": {"enabled": True}},
        "mutators": {"header": {"enabled": True, "config": {"headers": headers}}},
        "errors": {"fallback": ["json"], "handlers": {"json": {"enabled": True}}},
    }
    text = as_yaml(config)
    command = [str(binary), "serve", "--disable-telemetry", "-c", str(write(site, f"{name}.yaml", text))]
    return command, f"{text}---\n{as_yaml(rules)}"


@dataclass(frozen=True)
class _Kind:
    """One of the programs."""

    #: command line and configuration of a binary that shall listen on a port
    command: Callable[[Path, Site, str, int], tuple[list[str], str]]
    #: what makes it print its version
    version: tuple[str, ...]
    #: whether the API sees the token as well
    keeps_token: bool


KINDS: Final[Mapping[str, _Kind]] = {
    "oauth2-proxy": _Kind(_oauth2_proxy_command, ("--version",), keeps_token=True),
    "heimdall": _Kind(_heimdall_command, ("--version",), keeps_token=False),
    "oathkeeper": _Kind(_oathkeeper_command, ("version",), keeps_token=True),
}


def found_rivals(environ: Mapping[str, str] = os.environ) -> dict[str, Path]:
    """Binaries by the names of their programs; none where the variable is not set. CannotMeasure: one is not there."""
    found: dict[str, Path] = {}
    for part in filter(None, environ.get(VARIABLE, "").split(os.pathsep)):
        path = Path(part)
        if path.is_dir():
            inside = {name: path / name for name in KINDS if os.access(path / name, os.X_OK)}
            if not inside:
                raise CannotMeasure(f"{VARIABLE}: {path} has none of {', '.join(KINDS)}")
            found.update(inside)
        elif path.name not in KINDS:
            raise CannotMeasure(f"{VARIABLE}: {path} is none of {', '.join(KINDS)}, nor a directory")
        elif not os.access(path, os.X_OK):
            raise CannotMeasure(f"{VARIABLE}: {path} cannot be run")
        else:
            found[path.name] = path
    return {name: found[name] for name in KINDS if name in found}


def rival(name: str, binary: Path) -> Starter:
    """Starts one of them."""
    kind = KINDS[name]

    def begin(site: Site, peer: str) -> Peer:
        port = free_port()
        command, text = kind.command(binary.absolute(), site, peer, port)
        # Some log to standard error.
        joined = ["sh", "-c", 'exec "$@" 2>&1', "sh", *command]
        program = start(peer, joined, site.directory, core=TESTED, env=_environment())
        return Peer(program, port, text, keeps_token=kind.keeps_token)

    return begin


def rival_versions() -> Iterator[str]:
    """Name and version of each that is found. CannotMeasure."""
    for name, binary in found_rivals().items():
        done = subprocess.run([binary, *KINDS[name].version], capture_output=True, text=True, check=False, timeout=20)
        words = (done.stdout + done.stderr).replace(",", " ").split()
        numbers = [word for word in words if word.lstrip("v")[:1].isdigit()]
        yield f"{name} {numbers[0] if numbers else '?'}"


class GoRivals:
    """The row about them."""

    row = "rivals"

    def measure(self, site: Site, effort: Effort) -> Iterator[Result]:
        """The lines; none where no binary is found. CannotMeasure."""
        found = found_rivals()
        if not found:
            sys.stdout.write(f"{self.row:10} none: {VARIABLE} names no binary of {', '.join(KINDS)}\n")
            return
        race = Race(
            self.row,
            peers={"gateway": gateway(), **{name: rival(name, binary) for name, binary in found.items()}},
            sides={"gateway": Side("gateway"), **{name: Side(name) for name in found}},
            comparisons=tuple(Comparison(f"one token, against {name}", "gateway", name, TARGET) for name in found),
        )
        yield from race.measure(site, effort)
