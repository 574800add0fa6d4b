"""The documentation says what is true today."""

import re
import shlex
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gateway.cli import COMMANDS
from gateway.commands.parser import _parser
from gateway.core.checks.problems import problems
from gateway.core.config.conversion import convert
from gateway.core.config.file import Config
from gateway.core.config.schema import schema
from gateway.core.decision.question import DecisionRules
from gateway.demo.run import ADMIN_PORT, API_PORT, GATEWAY_PORT, ISSUER_PORT, invitation
from gateway.process.app import Gateway
from gateway.settings.document import parse_document
from gateway.settings.settings import load
from tests import documents

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]

#: what stands beside what it is about
BESIDE = sorted(page for folder in ("deploy", "helm") for page in (ROOT / folder).rglob("*.md"))


@pytest.mark.parametrize(("page", "text"), documents.made().items(), ids=lambda value: getattr(value, "name", ""))
def test_a_page_made_from_the_code_is_not_stale(page: Path, text: str) -> None:
    assert page.read_text() == text, "run `make docs`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target


def slugs(page: Path) -> set[str]:
    """The anchors that a forge gives to the headings of a page."""
    text = re.sub(r"^( *)(```|~~~).*?^\1\2", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    found: dict[str, int] = {}
    for heading in re.findall(r"^#+ +(.*?) *$", text, re.MULTILINE):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        found[slug] = found.get(slug, -1) + 1
        if found[slug]:
            found[f"{slug}-{found[slug]}"] = 0
    return found.keys() | set(re.findall(r'<a (?:id|name)="([^"]+)"', text))


@pytest.mark.parametrize("page", [*PAGES, *BESIDE], ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_anchor_leads_to_a_heading(page: Path) -> None:
    for path, anchor in re.findall(r"\]\(([^)#:\s]*)#([^)]+)\)", page.read_text()):
        meant = (page.parent / path).resolve() if path else page
        assert anchor in slugs(meant), f"{path}#{anchor}"


def test_the_configuration_in_the_readme_is_sound(tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n(upstream:.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(blocks) == 1
    path = tmp_path / "gateway.yaml"
    path.write_text(blocks[0])
    loaded = load(str(path), {})
    assert loaded.config is not None
    assert (loaded.problems, loaded.warnings) == ([], [])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_an_example_of_the_configuration_is_sound(page: Path) -> None:
    for block in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL):
        values = parse_document(block).values
        if values.keys() <= schema()["properties"].keys():
            api = {} if "upstreams" in values else {"upstream": "http://127.0.0.1:3000"}
            issuers = [{"issuer": "https://i.example", "audience": "a"}]
            # Probes of an example ask where the gateway listens by itself.
            conversion = convert({"listen": ":18080", "issuers": issuers, **api, **values})
            assert [*conversion.problems, *problems(conversion.config)] == [], block


def test_the_variables_in_the_readme_are_sound() -> None:
    lines = re.findall(r'\{name: (GATEWAY_\w+), value: "(.*?)"\}', (ROOT / "README.md").read_text())
    assert load(None, dict(lines)).config is not None


def test_the_demo_in_the_readme_is_what_it_prints() -> None:
    gateway = Gateway(Config(upstream="http://127.0.0.1:3000", issuers=()))
    gateway.address, gateway.admin_address = f"127.0.0.1:{GATEWAY_PORT}", f"127.0.0.1:{ADMIN_PORT}"
    printed = invitation(gateway, f"http://127.0.0.1:{ISSUER_PORT}", f"http://127.0.0.1:{API_PORT}")
    shown = re.search(r"\$ make demo\n(.*?)\n\.\.\.\n", (ROOT / "README.md").read_text(), re.DOTALL)
    assert shown
    assert printed.startswith(shown[1])


def shown_commands() -> list[tuple[str, str]]:
    """Each command line of a console that runs the program: the page it stands on, and its words."""
    found = []
    for page in [*PAGES, *BESIDE]:
        for block in re.findall(r"```console\n(.*?)```", page.read_text(), re.DOTALL):
            for line in re.findall(r"^\$ (.*)", block.replace("\\\n", " "), re.MULTILINE):
                found += [(page.name, words) for words in re.findall(r"(?:^|\s)bearer-gateway (\w[^|<>&]*)", line)]
    return found


@pytest.mark.parametrize(("page", "words"), shown_commands())
def test_a_command_line_that_is_shown_is_one(page: str, words: str) -> None:
    name, *_ = arguments = shlex.split(words.partition(" #")[0])
    assert name in COMMANDS
    _parser(COMMANDS, arguments).parse_args(arguments)


def test_every_command_is_told_of() -> None:
    table = re.findall(r"^\| (`[a-z`, ]+`) \|", (ROOT / "docs" / "commands.md").read_text(), re.MULTILINE)
    named = [name for cell in table for name in re.findall(r"`([a-z]+)`", cell)]
    assert [name for name in COMMANDS if name not in named] == [], "not in the table of docs/commands.md"


def test_the_annotations_for_ingress_nginx_ask_where_it_is_understood_and_copy_every_identity_header() -> None:
    text = (ROOT / "deploy" / "ingress-nginx" / "ingress.yaml").read_text()
    annotations = parse_document(text).values["metadata"]["annotations"]
    found = {name.removeprefix("nginx.ingress.kubernetes.io/"): value for name, value in annotations.items()}
    rules = DecisionRules.of(Config(upstream="http://127.0.0.1:3000", issuers=()))
    assert urlsplit(found["auth-url"]).path.encode() in rules.sources
    assert tuple(found["auth-response-headers"].encode().split(b",")) == rules.names


#: what somebody stumbled over because no page said it
@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("configuration.md", r"`:8080` .*is IPv4 alone, and `\[::\]:8080` IPv6 alone"),
        ("configuration.md", r"`HTTPS_PROXY`, .*`NO_PROXY` are not honoured"),
        ("http.md", r"Caches behind the gateway\*\* share what is private"),
        ("routes.md", r"`claims: \{aud: \S+\}` asks for one more audience"),
        ("tokens.md", r"looks like milliseconds"),
        ("tokens.md", r"`jwks_refresh: 30s` \(the least\)"),
        ("providers.md", r"`jwks_refresh: 1m` makes that a minute"),
        ("providers.md", r"`resource` \(RFC 8707\) does nothing at Keycloak"),
        ("browsers.md", r"At Keycloak `resource` does nothing"),
        ("decisions-api.md", r"`/ingress-nginx` \| `auth-url` of the Kubernetes controller"),
        ("reload.md", r"SIGHUP"),
        ("architecture.md", r"## Words"),
    ],
)
def test_a_page_says_what_would_be_a_surprise(page: str, said: str) -> None:
    assert re.search(said, " ".join((ROOT / "docs" / page).read_text().split()))
