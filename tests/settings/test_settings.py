import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID
from joserfc.jwk import ECKey

from gateway.core.config.assertion import AssertionSection, KeyFile
from gateway.core.config.file import Config
from gateway.core.config.identity_headers import IdentityHeader
from gateway.core.config.issuers import Issuer
from gateway.core.config.limits import Limits
from gateway.core.config.log import Log
from gateway.core.config.schema import schema
from gateway.core.config.secret import Secret
from gateway.settings.files import read_key_set, read_trust
from gateway.settings.secrets import read_secret
from gateway.settings.settings import Loaded, judge, load

SMALLEST = "upstream: http://127.0.0.1:3000\nissuers: [{issuer: https://i.example, audience: a}]\n"
VARIABLES = {
    "GATEWAY_UPSTREAM": "http://127.0.0.1:3000",
    "GATEWAY_ISSUER": "https://i.example",
    "GATEWAY_AUDIENCE": "a",
}
SMALLEST_CONFIG = Config(upstream="http://127.0.0.1:3000", issuers=(Issuer(issuer="https://i.example", audience="a"),))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "gateway.yaml"


@pytest.fixture
def ca_file(tmp_path: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "ca.pem"
    # Bundles have comments, in any language.
    path.write_bytes("# Autorität\n".encode() + certificate.public_bytes(Encoding.PEM))
    return path


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pair, Pair]:
    return a_pair(tmp_path_factory.mktemp("one")), a_pair(tmp_path_factory.mktemp("other"))


def a_pair(folder: Path, *, days: float = 1) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gateway")])
    now = datetime.now(UTC)
    since, until = now - timedelta(30), now + timedelta(days, minutes=1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), since, until)
    pair = Pair(folder / "certificate.pem", folder / "key.pem")
    pair.certificate.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    pair.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    pair.key.with_suffix(".encrypted").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"geheim"))
    )
    return pair


@pytest.fixture
def jwks_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    key = ECKey.generate_key("P-256", {"kid": "a"}).as_dict(private=False)
    path.write_text(json.dumps({"keys": [key, {"kty": "oct", "kid": "b"}, {"kty": "RSA", "kid": "c", "use": "enc"}]}))
    return path


def told(loaded: Loaded) -> list[str]:
    assert loaded.config is None
    return [str(problem) for problem in loaded.problems]


def warned(loaded: Loaded) -> list[str]:
    assert loaded.problems == []
    return [str(warning) for warning in loaded.warnings]


def test_a_file_alone_is_enough(file: Path) -> None:
    file.write_text(SMALLEST)
    assert load(str(file), {}) == Loaded(
        config=SMALLEST_CONFIG,
        origins={
            "upstream": f"file {file} line 1",
            "issuers": f"file {file} line 2",
            "issuers[0]": f"file {file} line 2",
            "issuers[0].issuer": f"file {file} line 2",
            "issuers[0].audience": f"file {file} line 2",
        },
        named=(),
    )


def test_three_variables_are_enough() -> None:
    loaded = load(None, VARIABLES)
    assert loaded.config == Config(
        upstream="http://127.0.0.1:3000", issuers=(Issuer(issuer="https://i.example", audience=("a",)),)
    )
    assert loaded.problems == loaded.warnings == []
    assert loaded.origins == {
        "upstream": "GATEWAY_UPSTREAM",
        "issuers": "GATEWAY_ISSUER",
        "issuers[0]": "GATEWAY_ISSUER",
        "issuers[0].issuer": "GATEWAY_ISSUER",
        "issuers[0].audience": "GATEWAY_AUDIENCE",
    }


def test_the_file_is_named_by_the_argument_else_by_the_variable(file: Path, tmp_path: Path) -> None:
    file.write_text(SMALLEST + "realm: argument\n")
    other = tmp_path / "other.yaml"
    other.write_text(SMALLEST + "realm: variable\n")
    for path, realm in ((str(file), "argument"), (None, "variable")):
        config = load(path, {"GATEWAY_CONFIG": str(other)}).config
        assert config is not None
        assert config.realm == realm


def test_every_variable_is_read(ca_file: Path, jwks_file: Path) -> None:
    loaded = load(
        None,
        {
            **VARIABLES,
            "GATEWAY_LISTEN": ":1",
            "GATEWAY_ADMIN": ":2",
            "GATEWAY_WORKERS": "3",
            "GATEWAY_LOG_LEVEL": "debug",
            "GATEWAY_LOG_FORMAT": "text",
            "GATEWAY_LOG_ACCESS": "refused",
            "GATEWAY_LOG_BLOCKED": "drop",
            "GATEWAY_TRUSTED_PROXIES": "10.0.0.0/8, unix",
            "GATEWAY_AUDIENCE": "a, b",
            "GATEWAY_PRESET": "okta",
            "GATEWAY_ALGORITHMS": "RS256,ES256",
            "GATEWAY_JWKS_FILE": str(jwks_file),
            "GATEWAY_CA_FILE": str(ca_file),
            "GATEWAY_ALLOW_HTTP": "false",
            "GATEWAY_IDENTITY_HEADERS": "{X-User: sub, X-Roles: {claim: /roles, format: csv}}",
        },
    )
    assert loaded.config == Config(
        upstream="http://127.0.0.1:3000",
        listen=":1",
        admin=":2",
        workers=3,
        issuers=(
            Issuer(
                issuer="https://i.example",
                audience=("a", "b"),
                preset="okta",
                algorithms=("RS256", "ES256"),
                jwks_file=str(jwks_file),
                ca_file=str(ca_file),
            ),
        ),
        log=Log(level="debug", format="text", access="refused", blocked="drop"),
        trusted_proxies=("10.0.0.0/8", "unix"),
        identity_headers={"X-User": "sub", "X-Roles": IdentityHeader(claim="/roles", format="csv")},
    )
    by_url = load(None, {**VARIABLES, "GATEWAY_JWKS_URL": "http://keys/", "GATEWAY_ALLOW_HTTP": "true"}).config
    assert by_url is not None
    assert by_url.issuers[0].jwks_url == "http://keys/"
    assert by_url.issuers[0].allow_http


def test_variables_override_the_file_key_by_key(file: Path) -> None:
    file.write_text(
        SMALLEST + "listen: :1\nlog: {level: debug, format: text}\ntrusted_proxies: [unix]\nlimits: {drain: 1s}\n"
    )
    environ = {"GATEWAY_LISTEN": ":2", "GATEWAY_LOG_LEVEL": "error", "GATEWAY_TRUSTED_PROXIES": ""}
    loaded = load(str(file), environ)
    assert loaded.config is not None
    assert loaded.config.listen == ":2"
    assert loaded.config.log == Log(level="error", format="text")
    assert loaded.config.trusted_proxies == ()
    assert loaded.config.limits == Limits(drain=1)  # type: ignore[arg-type]
    assert loaded.origins["listen"] == "GATEWAY_LISTEN"
    assert loaded.origins["log.level"] == "GATEWAY_LOG_LEVEL"
    assert loaded.origins["log.format"] == f"file {file} line 4"
    assert loaded.origins["trusted_proxies"] == "GATEWAY_TRUSTED_PROXIES"
    assert "trusted_proxies[0]" not in loaded.origins


@pytest.mark.parametrize(
    ("environ", "sentences"),
    [
        ({"GATEWAY_LISTEN": "x"}, ["listen: must be address:port such as 0.0.0.0:8080 with a port from 0 to 65535, or unix:/path (GATEWAY_LISTEN)"]),
        ({"GATEWAY_UPSTREAM": ""}, ["upstream: must not be empty (GATEWAY_UPSTREAM)"]),
        ({"GATEWAY_UPSTREAM": "\udcff"}, ["upstream: must not have control characters (GATEWAY_UPSTREAM)"]),
        ({"GATEWAY_LOG_LEVEL": "INFO"}, ["log.level: must be debug, error, info or warning, not this text (did you mean info?) (GATEWAY_LOG_LEVEL)"]),
        ({"GATEWAY_AUDIENCE": ""}, ["issuers[0].audience: must name at least one audience (GATEWAY_AUDIENCE)"]),
        ({"GATEWAY_AUDIENCE": "a,,b"}, ["issuers[0].audience[1]: must not be empty (GATEWAY_AUDIENCE)"]),
        ({"GATEWAY_ALLOW_HTTP": "yes"}, ["issuers[0].allow_http: must be true or false, not this text (GATEWAY_ALLOW_HTTP)"]),
        ({"GATEWAY_ISSUER": "http://i.example", "GATEWAY_ALLOW_HTTP": "TRUE"}, ["issuers[0].allow_http: must be true or false, not this text (GATEWAY_ALLOW_HTTP)"]),
        ({"GATEWAY_TRUSTED_PROXIES": "10.0.0.1/8"}, ["trusted_proxies[0]: has bits set behind its prefix; write 10.0.0.0/8, or one address without prefix (GATEWAY_TRUSTED_PROXIES)"]),
        ({"GATEWAY_IDENTITY_HEADERS": "{Host: sub}"}, ["identity_headers.Host: cannot be an identity header: Host belongs to the framing and routing of the request (GATEWAY_IDENTITY_HEADERS)"]),
        ({"GATEWAY_IDENTITY_HEADERS": "- sub"}, ["GATEWAY_IDENTITY_HEADERS: must be a mapping of keys to values at its top, not a list"]),
        ({"GATEWAY_IDENTITY_HEADERS": "{X-A: a, X-A: b}"}, ["GATEWAY_IDENTITY_HEADERS: X-A: is given twice: at line 1, column 2, and again at line 1, column 10"]),
    ],
)  # fmt: skip
def test_a_problem_in_a_variable_names_it(environ: dict[str, str], sentences: list[str]) -> None:
    assert told(load(None, {**VARIABLES, **environ})) == sentences


def test_without_anything_the_variables_that_could_help_are_named() -> None:
    assert told(load(None, {})) == [
        "issuers: is required; GATEWAY_ISSUER can give it",
        "upstream: is required; GATEWAY_UPSTREAM can give it",
    ]
    assert told(load(None, {"GATEWAY_UPSTREAM": "http://a", "GATEWAY_ISSUER": "https://i"})) == [
        "issuers[0].audience: is required; GATEWAY_AUDIENCE can give it"
    ]


def test_an_issuer_in_the_file_is_not_completed_by_variables(file: Path) -> None:
    file.write_text("upstream: http://a\nissuers: [{issuer: https://i}]\n")
    assert told(load(str(file), {"GATEWAY_AUDIENCE": "a", "GATEWAY_PRESET": "okta"})) == [
        "GATEWAY_AUDIENCE: needs GATEWAY_ISSUER, to which it belongs; issuers in the file have keys for it",
        "GATEWAY_PRESET: needs GATEWAY_ISSUER, to which it belongs; issuers in the file have keys for it",
        "issuers[0].audience: is required",
    ]


def test_an_issuer_variable_beside_issuers_in_the_file_is_a_problem(file: Path) -> None:
    file.write_text(SMALLEST)
    assert told(load(str(file), VARIABLES)) == [
        "GATEWAY_ISSUER: cannot stand beside issuers in the file: unset it, or remove them"
    ]


def test_a_section_of_the_wrong_form_is_not_hidden_by_a_variable(file: Path) -> None:
    file.write_text(SMALLEST + "log: verbose\n")
    assert told(load(str(file), {"GATEWAY_LOG_LEVEL": "info"})) == [
        "log: must be a mapping of keys to values, not this text"
    ]


def test_all_problems_of_all_kinds_are_told_at_once(file: Path) -> None:
    file.write_text(
        "upstraem: http://a\n"
        "issuers:\n"
        "  - {issuer: 'http://a', audience: [], leeway: 10m, jwks_file: /nowhere/keys.json}\n"
        "  - {issuer: 'http://a', audience: b, name: b, leeway: x}\n"
        "  - 5\n"
        "realm: a\n"
        "realm: b\n"
        "trusted_proxies: [5, 10.0.0.1/8]\n"
        "sessions: {}\n"
    )
    loaded = load(str(file), {"GATEWAY_ADMIN": "x", "GATEWAY_CA_FILE": "y"})
    assert told(loaded) == [
        "realm: is given twice: at line 6, column 1, and again at line 7, column 1",
        "GATEWAY_CA_FILE: needs GATEWAY_ISSUER, to which it belongs; issuers in the file have keys for it",
        "upstraem: is not a key here (did you mean upstream?)",
        "sessions: is not a key here",
        "issuers[1].leeway: must be a duration: one number with ms, s, m or h, such as 30s, or a plain number of seconds",
        "issuers[2]: must be a mapping of keys to values, not 5",
        "trusted_proxies[0]: must be text, not 5 (put quotes around it)",
        "admin: must be address:port such as 0.0.0.0:8080 with a port from 0 to 65535, or unix:/path (GATEWAY_ADMIN)",
        "issuers[0].audience: must name at least one audience",
        "issuers[0].leeway: must be from 0s to 5m",
        "issuers[1].issuer: must be https, unless it is on loopback (allow_http: true permits it, and is unsafe)",
        "issuers[1].issuer: is the same issuer as issuers[0]; one of them must go, unless each has keys at a jwks_url of its own",
        "trusted_proxies[1]: has bits set behind its prefix; write 10.0.0.0/8, or one address without prefix",
        "issuers[0].jwks_file: names a file that does not exist",
    ]
    assert loaded.origins["upstraem"] == f"file {file} line 1"


@pytest.mark.parametrize(
    "issuer",
    [
        {"issuer": "name", "audience": "a", "jwks_url": 5},
        {"issuer": "name", "audience": "a", "jwks_ur": "https://a"},
        {"issuer": "name", "audience": "a", "jwks_file": []},
        {"issuer": "http://a", "audience": "a", "discovery_url": 5},
        {"issuer": "http://a", "audience": "a", "allow_htp": True},
        {"issuer": "https://a", "audience": [5]},
        {"issuer": 5, "audience": "a"},
        {"issuer": "https://a", "audience": "a", "name": "a", "ca_file": 5},
    ],
)
def test_one_mistake_is_told_once(file: Path, issuer: dict[str, Any]) -> None:
    file.write_text(json.dumps({"upstream": "http://a", "issuers": [issuer]}))
    assert len(told(load(str(file), {}))) == 1


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"a: \xff", "is not UTF-8 text: byte 0xff at line 1"),
        (b"a: 1\n\nb: \xe4", "is not UTF-8 text: byte 0xe4 at line 3"),
        (b"#" * ((1 << 20) + 1), "is larger than 1024KiB"),
        (b"a: [", "is not valid YAML at line 1, column 5: "),
        (b"- a", "must be a mapping of keys to values at its top, not a list"),
    ],
)
def test_a_file_that_cannot_be_read_is_the_only_problem(file: Path, content: bytes, sentence: str) -> None:
    file.write_bytes(content)
    (told_,) = told(load(str(file), {"GATEWAY_LISTEN": "x"}))
    assert told_.startswith(f"the configuration file '{file}' {sentence}")


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/nowhere/gateway.yaml", "does not exist"),
        ("/", "cannot be read: Is a directory"),
        ("a\0b", "cannot be read: no file can have that name"),
    ],
)
def test_a_file_that_is_none_is_a_problem(path: str, sentence: str) -> None:
    for loaded in (load(path, VARIABLES), load(None, {**VARIABLES, "GATEWAY_CONFIG": path})):
        assert told(loaded) == [f"the configuration file {path!r} {sentence}"]


def test_a_file_with_a_byte_order_mark_is_read(file: Path) -> None:
    file.write_text(SMALLEST, encoding="utf-8-sig")
    assert load(str(file), {}).config == SMALLEST_CONFIG


def test_a_key_file_is_read_and_its_unusable_keys_are_warned_of(jwks_file: Path) -> None:
    assert [key.kid for key in read_key_set(str(jwks_file)).keys] == ["a"]
    loaded = load(None, {**VARIABLES, "GATEWAY_JWKS_FILE": str(jwks_file)})
    assert warned(loaded) == [
        "issuers[0].jwks_file: key 1 (kid b) is skipped: its kty is not RSA, EC or OKP (GATEWAY_JWKS_FILE)"
    ]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "cannot be used: "),
        (b"{}", "cannot be used: "),
        (b'{"keys": []}', "cannot be used: the set has no usable key"),
        (b'{"keys": [], "keys": []}', "cannot be used: "),
        (b"[" * 100_000, "cannot be used: "),
        (b"9" * 5000, "cannot be used: "),
        (b"\xff", "cannot be used: "),
        (b" " * (256 * 1024 + 1), "is larger than 256KiB"),
        (None, "does not exist"),
    ],
)
def test_a_key_file_without_usable_keys_is_a_problem(tmp_path: Path, content: bytes | None, sentence: str) -> None:
    path = tmp_path / "keys.json"
    if content is not None:
        path.write_bytes(content)
    (told_,) = told(load(None, {**VARIABLES, "GATEWAY_JWKS_FILE": str(path)}))
    assert told_.startswith(f"issuers[0].jwks_file: names a file that {sentence}")
    assert told_.endswith("(GATEWAY_JWKS_FILE)")


def test_a_ca_file_replaces_the_authorities_of_the_system(ca_file: Path) -> None:
    assert read_trust(str(ca_file)).cert_store_stats()["x509"] == 1


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "holds no PEM certificate"),
        (b"certificate", "holds no PEM certificate"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "holds no PEM certificate"),
        (None, "does not exist"),
    ],
)
def test_a_ca_file_without_certificates_is_a_problem(tmp_path: Path, content: bytes | None, sentence: str) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    assert told(load(None, {**VARIABLES, "GATEWAY_CA_FILE": str(path)})) == [
        f"issuers[0].ca_file: names a file that {sentence} (GATEWAY_CA_FILE)"
    ]


def test_a_revocation_list_is_no_authority(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    crl = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")]))
        .last_update(now)
        .next_update(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "crl.pem"
    path.write_bytes(crl.public_bytes(Encoding.PEM))
    with pytest.raises(ValueError, match="holds no PEM certificate"):
        read_trust(str(path))


def test_the_key_file_of_the_assertion_is_read(file: Path, tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    file.write_text(SMALLEST + f"assertion: {{issuer: g, key: {{file: {key}}}}}\n")
    assert told(load(str(file), {})) == ["assertion.key.file: names a file that does not exist"]
    key.write_bytes(ECKey.generate_key("P-384").as_pem(private=True))
    assert told(load(str(file), {})) == [
        "assertion.key.file: names a file that is no EC key on P-256 and no Ed25519 key"
    ]
    key.write_bytes(ECKey.generate_key("P-256").as_pem(private=True))
    loaded = load(str(file), {})
    assert warned(loaded) == []
    assert loaded.config is not None
    assert loaded.config.assertion == AssertionSection(issuer="g", key=KeyFile(file=str(key)))


def test_without_a_key_file_check_says_that_the_assertion_serves_one_replica(file: Path) -> None:
    file.write_text(SMALLEST + "assertion: {issuer: g}\n")
    assert warned(load(str(file), {})) == [
        "assertion.key: is not given: a key is made at every start, which serves one replica only"
    ]


@pytest.mark.parametrize(
    ("section", "sentences"),
    [
        ("5", ["assertion: must be a mapping of keys to values, not 5"]),
        ("{}", ["assertion.issuer: is required"]),
        ("{issuer: g, key: {}}", ["assertion.key.file: is required"]),
        ("{issuer: g, key: {kty: EC, d: c2VjcmV0}}", ["assertion.key: must be {file: PATH}; what stands there is not shown", "assertion.key.file: is required"]),
        ("{issuer: g, key: {file: ''}}", ["assertion.key.file: must not be empty"]),
        ("{issuer: g, claims: 5, lifetime: x, header: 5}", [
            "assertion.lifetime: must be a duration: one number with ms, s, m or h, such as 30s, or a plain number of seconds",
            "assertion.claims: must be a list, not 5",
            "assertion.header: must be text, not 5 (put quotes around it)",
        ]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_assertion_is_told_once(file: Path, section: str, sentences: list[str]) -> None:
    file.write_text(SMALLEST + f"assertion: {section}\n")
    loaded = load(str(file), {})
    assert told(loaded) == sentences
    assert "c2VjcmV0" not in str(loaded.problems)


def test_what_is_unsafe_is_warned_of() -> None:
    environ = {**VARIABLES, "GATEWAY_ALLOW_HTTP": "true", "GATEWAY_TRUSTED_PROXIES": "0.0.0.0/0"}
    assert [warning.path for warning in load(None, environ).warnings] == ["issuers[0].allow_http", "trusted_proxies[0]"]


def test_the_schema_is_that_of_the_structs() -> None:
    assert schema()["required"] == ["issuers"]


def test_a_file_without_a_name_is_a_problem_and_an_empty_variable_is_no_file() -> None:
    assert [problem.sentence for problem in load("", VARIABLES).problems] == ["the configuration file has no name"]
    assert load(None, {**VARIABLES, "GATEWAY_CONFIG": ""}).config is not None


# Secrets


def with_shop(file: Path, section: str, **environ: str) -> Loaded:
    file.write_text(SMALLEST + f"upstreams: {{shop: {{url: https://shop, {section}}}}}\n")
    return load(str(file), environ)


@pytest.mark.parametrize("content", ["geheim", "geheim\n", "geheim\r\n"])
def test_a_secret_is_read_from_a_file_without_the_line_break_at_its_end(
    file: Path, tmp_path: Path, content: str
) -> None:
    path = tmp_path / "token"
    path.write_bytes(content.encode())
    loaded = with_shop(file, f"authorization: {{bearer: {{file: {path}}}}}, headers: {{X-Key: {{file: {path}}}}}")
    assert warned(loaded) == []
    assert loaded.secrets == {Secret(file=str(path)): "geheim"}


def test_a_secret_is_read_from_a_variable_as_it_is(file: Path) -> None:
    section = "authorization: {basic: {user: a, password: {env: SHOP}}}, headers: {X-Key: {env: GATEWAY_SHOP_KEY}}"
    loaded = with_shop(file, section, SHOP=" geheim ", GATEWAY_SHOP_KEY="schlüssel", GATEWAY_SHOP_KYE="a")
    assert loaded.secrets == {Secret(env="SHOP"): " geheim ", Secret(env="GATEWAY_SHOP_KEY"): "schlüssel"}
    # A variable that the file names is no slip of the pen, whatever it begins with.
    assert warned(loaded) == ["GATEWAY_SHOP_KYE: is not a variable of the gateway"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "names a file that does not exist"),
        (b"", "names a file that is empty"),
        (b"\n", "names a file that is empty"),
        (b"\xff\xfe", "names a file that is not UTF-8 text"),
        (b"s" * (16 * 1024 + 1), "names a file that is larger than 16KiB"),
        (b"ge heim", "must hold one bearer token: letters, digits and -._~+/ only, and = at its end"),
        (b"geheim\n\n", "must hold one bearer token: letters, digits and -._~+/ only, and = at its end"),
        (b"geheim\r\nX-User-Id: root", "must hold one bearer token: letters, digits and -._~+/ only, and = at its end"),
    ],
)
def test_a_file_without_a_fit_secret_is_a_problem_that_does_not_show_it(
    file: Path, tmp_path: Path, content: bytes | None, sentence: str
) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    loaded = with_shop(file, f"authorization: {{bearer: {{file: {path}}}}}")
    assert told(loaded) == [f"upstreams.shop.authorization.bearer.file: {sentence.format(path)}"]
    assert "heim" not in repr(loaded)
    assert loaded.secrets == {}


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({}, "names a variable that is not set"),
        ({"SHOP": ""}, "names a variable that is empty"),
        ({"SHOP": "geheim\n"}, "must be text of one line, without control characters"),
        ({"SHOP": " geheim"}, "must not have blanks at its beginning or end: no header value keeps them"),
        ({"SHOP": "geheim\udcff"}, "must be text of one line, without control characters"),
    ],
)
def test_a_variable_without_a_fit_secret_is_a_problem_that_does_not_show_it(
    file: Path, environ: dict[str, str], sentence: str
) -> None:
    loaded = with_shop(file, "headers: {X-Key: {env: SHOP}}", **environ)
    assert told(loaded) == [f"upstreams.shop.headers.X-Key.env: {sentence}"]
    assert "geheim" not in repr(loaded)


def test_all_secrets_that_are_missing_are_told_at_once_and_each_mistake_once(file: Path) -> None:
    section = (
        "authorization: {basic: {user: a, password: {env: A}}}, "
        "headers: {X-A: {file: /nowhere/a}, X-B: {env: 'B B'}, X-C: {}, X-D: {env: 5}, X-E: {file: ''}}"
    )
    assert told(with_shop(file, section)) == [
        "upstreams.shop.headers.X-D.env: must be text, not 5 (put quotes around it)",
        "upstreams.shop.headers.X-B.env: must be the name of a variable: letters, digits and _",
        "upstreams.shop.headers.X-C: must have file or env",
        "upstreams.shop.headers.X-E.file: must not be empty",
        "upstreams.shop.authorization.basic.password.env: names a variable that is not set",
        "upstreams.shop.headers.X-A.file: names a file that does not exist",
    ]


def test_nothing_that_is_loaded_shows_a_secret(file: Path) -> None:
    loaded = with_shop(file, "headers: {X-Key: {env: SHOP}}", SHOP="geheim")
    assert loaded.secrets[Secret(env="SHOP")] == "geheim"
    assert "geheim" not in repr(loaded)
    assert "geheim" not in str(loaded)


def test_a_secret_can_be_read_again(tmp_path: Path) -> None:
    path = tmp_path / "token"
    for content in ("one", "two"):
        path.write_text(content)
        assert read_secret(Secret(file=str(path)), {}) == content


# TLS to an upstream


def test_authorities_and_a_client_certificate_are_read(file: Path, ca_file: Path, pairs: tuple[Pair, Pair]) -> None:
    one, other = pairs
    section = "tls: {{ca_file: {}, certificate: {}, key: {}}}"
    assert warned(with_shop(file, section.format(ca_file, one.certificate, one.key))) == []
    assert told(with_shop(file, section.format(one.key, one.certificate, other.key))) == [
        "upstreams.shop.tls.ca_file: names a file that holds no PEM certificate",
        "upstreams.shop.tls.certificate: names a file that does not fit key",
    ]
    assert told(with_shop(file, section.format("/nowhere/ca", "/nowhere/c", one.key))) == [
        "upstreams.shop.tls.ca_file: names a file that does not exist",
        "upstreams.shop.tls.certificate: names a file that does not exist",
    ]
    assert told(with_shop(file, section.format(ca_file, one.certificate, "/nowhere/k"))) == [
        "upstreams.shop.tls.certificate: needs key, which names a file that does not exist",
    ]
    for certificate, key in ((one.key, one.key), (one.certificate, one.certificate), (file, one.key)):
        assert told(with_shop(file, section.format(ca_file, certificate, key))) == [
            "upstreams.shop.tls.certificate: names a file that cannot be used with key"
        ]


def test_an_encrypted_key_is_refused_instead_of_asking_for_its_passphrase(file: Path, pairs: tuple[Pair, Pair]) -> None:
    one, _ = pairs
    section = f"tls: {{certificate: {one.certificate}, key: {one.key.with_suffix('.encrypted')}}}"
    assert told(with_shop(file, section)) == [
        "upstreams.shop.tls.certificate: has an encrypted key beside it, and there is nobody to ask for a passphrase"
    ]


def test_a_certificate_without_its_key_is_told_once(file: Path) -> None:
    assert told(with_shop(file, "tls: {certificate: /nowhere/c}")) == [
        "upstreams.shop.tls.key: is required beside certificate"
    ]


def test_upstreams_whose_certificates_nobody_checks_are_warned_of(file: Path) -> None:
    assert warned(with_shop(file, "tls: {allow_insecure: true}")) == [
        "upstreams.shop.tls.allow_insecure: is unsafe: anybody on the way may be the API"
    ]


def test_a_configuration_for_another_machine_is_judged_without_its_files() -> None:
    text = """
upstream: http://127.0.0.1:3000
issuers: [{issuer: https://a.example, audience: a, ca_file: /nowhere/ca.pem}]
upstreams: {shop: {url: https://shop.example, authorization: {bearer: {file: /elsewhere/token}}}}
probes: {api: {readiness: {grpc: 127.0.0.1:1}}}
"""
    asked: list[str] = []

    def missing(path: str) -> str | None:
        asked.append(path)
        return "names a file that will not be there" if path.startswith("/elsewhere") else None

    loaded = judge(text, {"GATEWAY_REALM": "x"}, source="gateway.yaml", missing=missing)
    assert asked == ["/nowhere/ca.pem", "/elsewhere/token"]
    assert [str(problem) for problem in loaded.problems] == [
        "upstreams.shop.authorization.bearer.file: names a file that will not be there"
    ]
    sound = judge(text, {}, source="gateway.yaml", missing=lambda _: None)
    assert sound.config is not None
    assert judge("a: [", {}, source="x", missing=missing).config is None


def test_the_certificate_of_a_listener_is_compared_with_its_key_and_the_days_it_has_left(
    file: Path, tmp_path: Path, pairs: tuple[Pair, Pair], ca_file: Path
) -> None:
    one, other = pairs
    start = f"{SMALLEST}tls:\n  certificate: {one.certificate}\n"
    file.write_text(f"{start}  key: {one.key}\n")
    # It is good for a day, to the minute.
    assert warned(load(str(file), {})) == ["tls.certificate: names a file whose certificate expires in 1.0 days"]
    for days, sentence in (
        (-1, ["tls.certificate: names a file whose certificate has expired: clients will not connect"]),
        (13.5, ["tls.certificate: names a file whose certificate expires in 13.5 days"]),
        (15, []),
    ):
        folder = tmp_path / f"{days}"
        folder.mkdir()
        pair = a_pair(folder, days=days)
        file.write_text(f"{SMALLEST}tls: {{certificate: {pair.certificate}, key: {pair.key}}}\n")
        assert warned(load(str(file), {})) == sentence
    file.write_text(f"{start}  key: {other.key}\n")
    assert told(load(str(file), {})) == ["tls.certificate: names a file that does not fit key"]
    file.write_text(f"{start}  key: {one.key.with_suffix('.encrypted')}\n")
    assert told(load(str(file), {})) == [
        "tls.certificate: has an encrypted key beside it, and there is nobody to ask for a passphrase"
    ]
    file.write_text(f"{start}  key: {one.key}\n  client_ca: {one.key}\n  client_certificates: required\n")
    assert told(load(str(file), {})) == ["tls.client_ca: names a file that holds no PEM certificate"]
    file.write_text(f"{start}  key: {one.key}\n  client_ca: {ca_file}\n  client_certificates: required\n")
    assert load(str(file), {}).config is not None
    # A path that could not be read is told of, and nothing is looked for in its place.
    file.write_text(f"{SMALLEST}tls: {{certificate: 7, key: {one.key}}}\n")
    assert told(load(str(file), {})) == ["tls.certificate: must be text, not 7 (put quotes around it)"]


def test_so_is_that_of_the_listener_for_envoy(file: Path, pairs: tuple[Pair, Pair], ca_file: Path) -> None:
    one, other = pairs
    start = f"{SMALLEST}trusted_proxies: [127.0.0.1]\ndecisions_grpc:\n  address: 127.0.0.1:9001\n  tls:\n"
    start += f"    certificate: {one.certificate}\n    client_ca: {ca_file}\n"
    file.write_text(f"{start}    key: {one.key}\n")
    loaded = load(str(file), {})
    assert loaded.config is not None
    where = "decisions_grpc.tls.certificate"
    assert f"{where}: names a file whose certificate expires in 1.0 days" in warned(loaded)
    file.write_text(f"{start}    key: {other.key}\n")
    assert told(load(str(file), {})) == [f"{where}: names a file that does not fit key"]
