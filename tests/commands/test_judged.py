"""A configuration that runs elsewhere is judged by what `check` asks, and by what is mounted there."""

import pytest

from gateway.commands.judged import Judged, addresses_of, judged, problems_of
from gateway.inject.wanted import Address, Secrets, Wanted
from tests.commands.program import SOUND

BARE = SOUND.replace("upstream: http://127.0.0.1:3000\n", "")


def judge(text: str, *, secrets: tuple[Secrets, ...] = (), files: tuple[str, ...] = (), **variables: str) -> Judged:
    return judged(text, variables, source="gateway.yaml", mounts=(secrets, files), addresses=(":15080", ":15090"))


@pytest.mark.parametrize(
    ("text", "port"),
    [
        (BARE, None),
        (SOUND, 3000),
        (BARE + "upstream: http://localhost\n", 80),
        (BARE + "upstreams: {default: {url: 'https://[::1]'}}\n", 443),
        (BARE + "upstreams: {other: {url: 'https://shop.example'}}\n", None),
    ],
)
def test_the_upstream_is_in_the_pod(text: str, port: int | None) -> None:
    found = judge(text)
    assert found.problems == []
    assert found.upstream == port


@pytest.mark.parametrize("url", ["http://api.example.com:8080", "unix:/run/api.sock"])
def test_an_upstream_elsewhere_is_a_problem(url: str) -> None:
    assert "upstream is not in the pod" in str(judge(BARE + f"upstream: {url}\n").problems[0])


def test_variables_stand_over_the_text() -> None:
    found = judge("", GATEWAY_ISSUER="https://x.example", GATEWAY_AUDIENCE="a", GATEWAY_PRESET="keycloak")
    assert found.problems == []
    assert not found.needs_token
    assert found.variables["GATEWAY_AUDIENCE"] == "a"


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/etc/bearer-gateway/secrets/s/key", None),
        ("/etc/bearer-gateway/files/f/ca.pem", None),
        ("/etc/ssl/certs/ca-certificates.crt", None),
        ("/var/run/secrets/kubernetes.io/serviceaccount/ca.crt", None),
        ("/etc/bearer-gateway/secrets/t/key", "is not in the pod"),
        ("/etc/bearer-gateway/secrets/one/other", "names a key that --secret one:key leaves out"),
        ("ca.pem", "is not in the pod"),
    ],
)
def test_files_are_those_that_are_mounted(path: str, sentence: str | None) -> None:
    text = BARE + f"    ca_file: {path}\n"
    found = judge(text, secrets=(Secrets("s"), Secrets("one", "key")), files=("f",))
    told = "\n".join(map(str, found.problems))
    assert (sentence or "") in told
    assert bool(told) == (sentence is not None)
    assert found.needs_token == path.startswith("/var/run/secrets/kubernetes.io/")


def test_preset_kubernetes_needs_the_token_of_the_pod() -> None:
    text = BARE.replace("auth0\n", "kubernetes\n")
    found = judge(text)
    assert found.problems == []
    assert found.needs_token
    assert not judge(text + "    jwks_url: https://keys.example\n").needs_token


def test_tls_of_the_gateway_is_known() -> None:
    tls = "tls: {certificate: /etc/bearer-gateway/secrets/t/tls.crt, key: /etc/bearer-gateway/secrets/t/tls.key}\n"
    found = judge(BARE + tls, secrets=(Secrets("t"),))
    assert found.problems == []
    assert found.speaks_tls
    assert not judge(BARE).speaks_tls


def test_the_gateway_is_not_its_own_api() -> None:
    own = BARE + "upstream: http://127.0.0.1:15080\n"
    assert "is this gateway itself" in str(judge(own).problems[0])
    taken = addresses_of(Address("", 15080), Address("", 15090), take_port=True)
    assert judged(own, {}, source="x", mounts=((), ()), addresses=taken).problems == []
    assert addresses_of(Address("[$(POD_IP)]", 1), Address("", 2), take_port=False) == ("[192.0.2.1]:1", ":2")


def test_limits_are_told() -> None:
    found = judge(BARE + "limits: {drain_delay: 1s, drain: 2s}\n")
    assert (found.drain_delay, found.drain) == (1.0, 2.0)


def test_what_inject_has_written_is_judged_too() -> None:
    assert problems_of(BARE, Wanted(image="x")) == []
    assert "did you mean" in str(problems_of(BARE.replace("audience", "audiense"), Wanted(image="x"))[0])
    assert "configuration" in str(problems_of("a: [", Wanted(image="x"))[0])


STORE = "store: {url: 'redis://redis', secrets: [{file: /etc/bearer-gateway/secrets/s/seal}]}\n"
IN_SECRETS = {
    "introspection": """
    introspection: {client_id: g, client_secret: {file: FILE}}
""",
    "key": """
    introspection: {client_id: g, key: {file: FILE}}
""",
    "certificate": """
    introspection: {client_id: g, tls: {certificate: /etc/bearer-gateway/files/f/x, key: FILE}}
""",
    "exchange": """
upstreams: {o: {url: 'http://127.0.0.1:1', authorization: {exchange: {token_endpoint: 'https://t', client_id: g, client_secret: {file: FILE}}}}}
""",
    "client_credentials": """
upstreams: {o: {url: 'http://127.0.0.1:1', authorization: {client_credentials: {token_endpoint: 'https://t', client_id: g, key: {file: FILE}}}}}
""",
    "store": """
store: {url: 'rediss://redis', username: g, password: {file: FILE}, ca_file: FILE, secrets: [{file: FILE}]}
""",
    "fetch": """
    fetch: {origin: 'https://issuer.example', authorization: {file: FILE}}
""",
    "listener": """
tls: {certificate: FILE, key: FILE, client_ca: FILE, client_certificates: optional}
""",
    "nonces": """
external_url: https://api.example
dpop: {nonce: required, nonce_key: {file: FILE}}
""",
    "sentinels": """
store: {url: 'redis+sentinel://a/b', sentinel_password: {file: FILE}, secrets: [{file: FILE}]}
""",
}


@pytest.mark.parametrize("text", IN_SECRETS.values(), ids=IN_SECRETS)
def test_the_secrets_of_what_is_asked_are_those_that_are_mounted(text: str) -> None:
    there = judge(
        BARE + text.strip("\n").replace("FILE", "/etc/bearer-gateway/secrets/s/x") + "\n",
        secrets=(Secrets("s"),),
        files=("f",),
    )
    assert there.problems == []
    gone = judge(BARE + text.strip("\n").replace("FILE", "/run/secrets/x") + "\n", files=("f",))
    assert len(gone.problems) == text.count("FILE")
    assert all("is not in the pod" in str(problem) for problem in gone.problems)


@pytest.mark.parametrize(
    ("text", "path", "sentence"),
    [
        ("revocation: {file: /var/lib/gateway/revoked}\n", "revocation.file", "in a pod nothing that is written stays"),
        (STORE.replace("redis://redis", "unix:/run/redis.sock"), "store.url", "names a socket, and there is none"),
    ],
)
def test_what_no_pod_has_a_place_for_is_a_problem(text: str, path: str, sentence: str) -> None:
    (problem,) = judge(BARE + text, secrets=(Secrets("s"),)).problems
    assert str(problem).startswith(f"problem  configuration: {path}: ")
    assert sentence in str(problem)
    assert sentence in str(problems_of(BARE + text, Wanted(image="x", secrets=(Secrets("s"),)))[0])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("revocation: {}\n", "revocation: without store.url each pod knows only what it heard itself"),
        ("rates: [{name: a, per: subject, limit: 1}]\n", "rates: without store.url each pod counts for itself"),
        ("routes: [{path: /*, rates: [{name: a, per: subject, limit: 1}]}]\n", "rates: without store.url each pod"),
    ],
)
def test_what_pods_do_not_know_of_each_other_is_said(text: str, sentence: str) -> None:
    alone = judge(BARE + text)
    assert alone.problems == []
    assert sentence in "\n".join(map(str, alone.remarks))
    shared = judge(BARE + text + STORE, secrets=(Secrets("s"),))
    assert shared.problems == []
    assert "without store.url" not in "\n".join(map(str, shared.remarks))
