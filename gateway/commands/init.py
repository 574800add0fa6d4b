"""`bearer-gateway init`: a configuration for an issuer, from what that says of itself, and what to set there.

Asks the issuer as a gateway would, and judges what it has written as `check` does.
"""

import argparse
import asyncio
import shlex
import sys
from pathlib import Path
from typing import Final

from gateway.commands.at_provider import PROVIDERS, doubt_of
from gateway.commands.configured import FAILED, OK
from gateway.commands.judged import addresses_of, judged
from gateway.commands.met import Met, NotMet, fetch_met
from gateway.commands.written import Plan, provider_name, text_of
from gateway.core.config.words import did_you_mean
from gateway.core.token.presets import PRESETS
from gateway.inject.container import FILES_AT
from gateway.inject.wanted import Address
from gateway.settings.settings import Loaded, judge

HELP: Final = "write a configuration for an issuer: asks it who it is, and says what to set there"
DESCRIPTION: Final = (
    "Asks the discovery document of an issuer and writes a configuration that fits, with comments that say why. The "
    "file goes to standard output or to --output, everything else is said on standard error."
)
WRONG: Final = 2
#: what inject calls a ConfigMap with the authorities of an issuer
_AUTHORITIES: Final = "issuer-ca"
_NAMED: Final = "gateway.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What it takes."""
    parser.add_argument(
        "issuer", metavar="ISSUER", help="as iss of its tokens has it: https://login.example.com/realms/staff"
    )
    parser.add_argument(
        "--audience", metavar="NAME", action="append", default=[],
        help="what the API is called at the provider, and aud of its tokens must name; again for more",
    )  # fmt: skip
    parser.add_argument("--upstream", metavar="URL", help="where the API is, such as http://127.0.0.1:3000")
    parser.add_argument(
        "--output",
        "-o",
        metavar="FILE",
        help="where to write it, -: standard output; a file that is there is left alone",
    )
    parser.add_argument("--force", action="store_true", help="write over the file that is there")
    parser.add_argument(
        "--sidecar", action="store_true",
        help="for `inject`, whose command line is said: without --upstream, which it knows",
    )  # fmt: skip
    parser.add_argument(
        "--preset", metavar="NAME", help="which provider it is, where that is not seen; none: no preset"
    )
    parser.add_argument("--discovery-url", metavar="URL", help="where its discovery document is, if not at the issuer")
    parser.add_argument("--ca-file", metavar="FILE", help="authorities of its certificate, in place of the system's")
    parser.add_argument("--allow-http", action="store_true", help="UNSAFE: ask it over plain http on another host")


def run(arguments: argparse.Namespace) -> int:
    """Writes it; 1 when nothing is written, 2 when something has to be given first."""
    preset: str | None = arguments.preset
    if preset not in {None, "none", *PRESETS}:
        return _failed(
            f"--preset {preset!r} is not known{did_you_mean(str(preset), PRESETS)}; known are none, "
            f"{', '.join(sorted(PRESETS))}"
        )
    if _is_there(arguments) and not arguments.force:
        return _failed(f"{arguments.output} is there already, and is left as it is: --force writes over it")
    try:
        met = asyncio.run(
            fetch_met(
                arguments.issuer,
                discovery_url=arguments.discovery_url,
                ca_file=arguments.ca_file,
                allow_http=arguments.allow_http,
            )
        )
    except NotMet as error:
        _say("problem", str(error))
        for hint in error.hints:
            _say("hint", hint)
        if error.issuer is not None:
            _say("try", _again(arguments, error.issuer, error.discovery_url))
        return FAILED
    for sentence in met.found:
        _say("found", sentence)
    plan = _plan(arguments, met, preset)
    if plan.preset is not None and (verdict := PRESETS[plan.preset].refuses) is not None:
        return _failed(f"{plan.issuer} issues no access tokens that an API could verify: {verdict.evidence}")
    missing = _missing(arguments, plan)
    if missing:
        for sentence in missing:
            _say("missing", sentence)
        return WRONG
    return _written(arguments, plan)


def _is_there(arguments: argparse.Namespace) -> bool:
    return arguments.output not in {None, "-"} and Path(arguments.output).exists()


def _plan(arguments: argparse.Namespace, met: Met, preset: str | None) -> Plan:
    recognised = met.recognised
    if preset is not None:
        found, by = (None if preset == "none" else preset), "what --preset says"
    elif recognised is not None:
        found, by = recognised.preset, recognised.by
    else:
        found, by = None, ""
    ca_file: str | None = arguments.ca_file
    if ca_file is not None and arguments.sidecar:
        ca_file = f"{FILES_AT}/{_AUTHORITIES}/ca.crt"
    return Plan(
        issuer=met.issuer,
        audiences=tuple(arguments.audience),
        upstream=arguments.upstream,
        preset=found,
        recognised_by=by,
        discovery_url=None if met.jwks_url and found == "kubernetes" else arguments.discovery_url,
        jwks_url=met.jwks_url if found == "kubernetes" else None,
        ca_file=ca_file,
        allow_http=arguments.allow_http,
    )


def _missing(arguments: argparse.Namespace, plan: Plan) -> list[str]:
    """What nobody but the user knows, in a sentence each that helps to find it."""
    found: list[str] = []
    if not plan.audiences:
        preset = PRESETS.get(plan.preset or "")
        how = (
            f" With {provider_name(plan.preset)}: {preset.audience}." if preset is not None and preset.audience else ""
        )
        found.append(
            f"--audience NAME: what the API is called at the provider, such as https://api.example.com; tokens must "
            f"name it in aud.{how} `bearer-gateway explain < token` shows what a token has"
        )
    if plan.upstream is None and not arguments.sidecar:
        found.append("--upstream URL: where the API is, such as http://127.0.0.1:3000; --sidecar leaves it to inject")
    return found


def _written(arguments: argparse.Namespace, plan: Plan) -> int:
    text = text_of(plan)
    problems, warnings = _judged(arguments, text)
    doubt = doubt_of(plan.issuer, plan.preset)
    for sentence in problems:
        _say("problem", sentence)
    for sentence in (*(() if doubt is None else (f"{plan.issuer} {doubt}",)), *warnings):
        _say("warning", sentence)
    if problems:
        return _failed("nothing is written: give other options")
    name = None if arguments.output == "-" else arguments.output
    if name is None:
        sys.stdout.write(text)
    else:
        try:
            # Whoever made it meanwhile keeps it.
            with Path(name).open("w" if arguments.force else "x", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            return _failed(f"{name} cannot be written: {error.strerror}")
        _say("wrote", name)
    provider = PROVIDERS.get(plan.preset or "")
    if provider is not None:
        _say("next", f"set it up at {provider.name}: the file says how, and docs/providers.md#{provider.anchor}")
    for line in _next(arguments, shlex.quote(name or _NAMED)):
        _say("next", line)
    return OK


def _judged(arguments: argparse.Namespace, text: str) -> tuple[list[str], list[str]]:
    """Problems and warnings of the text, as `check` has them, or inject."""
    if arguments.sidecar:
        files = () if arguments.ca_file is None else (_AUTHORITIES,)
        addresses = addresses_of(Address("", 15080), Address("", 15090), take_port=False)
        told = judged(text, {}, source=_NAMED, mounts=((), files), addresses=addresses)
        return [remark.sentence for remark in told.problems], [remark.sentence for remark in told.remarks]
    loaded: Loaded = judge(text, {}, source=_NAMED, missing=lambda _: None)
    return list(map(str, loaded.problems)), list(map(str, loaded.warnings))


def _next(arguments: argparse.Namespace, name: str) -> list[str]:
    if not arguments.sidecar:
        return [f"bearer-gateway check --online --config {name}", f"bearer-gateway serve --config {name}"]
    lines = []
    files = ""
    if arguments.ca_file is not None:
        files = f" --files {_AUTHORITIES}"
        lines.append(f"kubectl create configmap {_AUTHORITIES} --from-file=ca.crt={shlex.quote(arguments.ca_file)}")
    return [*lines, f"bearer-gateway inject -f api.yaml --config {name}{files} | kubectl apply -f -"]


def _again(arguments: argparse.Namespace, issuer: str, discovery_url: str | None) -> str:
    """The command line for the issuer that is meant."""
    words = ["bearer-gateway", "init", issuer]
    for audience in arguments.audience:
        words += ["--audience", audience]
    told = {
        "upstream": arguments.upstream,
        "output": arguments.output,
        "preset": arguments.preset,
        "discovery-url": discovery_url,
        "ca-file": arguments.ca_file,
    }
    for option, value in told.items():
        words += [] if value is None else [f"--{option}", value]
    flags = {"sidecar": arguments.sidecar, "force": arguments.force, "allow-http": arguments.allow_http}
    return shlex.join([*words, *(f"--{option}" for option, is_given in flags.items() if is_given)])


def _say(kind: str, sentence: str) -> None:
    print(f"{kind:<8} {sentence}", file=sys.stderr, flush=True)


def _failed(sentence: str) -> int:
    _say("problem", sentence)
    return FAILED
