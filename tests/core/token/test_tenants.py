"""One issuer of the file that stands for many: whose URL an `iss` is."""

import pytest

from gateway.core.token.tenants import Template, are_apart, filled, is_template, is_tenant, template_of
from tests.signer import issuer

ENTRA = "https://login.microsoftonline.com/{tid}/v2.0"
A = "72f988bf-86f1-41af-91ab-2d7cd011db47"


@pytest.mark.parametrize(
    ("url", "claim"),
    [
        (ENTRA, "tid"),
        ("https://login.example/{tid}", "tid"),
        ("https://login.example/realms/{realm}/", "realm"),
        ("http://localhost:1/{org.id}/x", "org.id"),
    ],
)
def test_a_template_has_a_claim_as_one_segment_of_its_path(url: str, claim: str) -> None:
    template = Template(url, None)
    assert template.claim == claim
    assert template.find_tenant(template.fill("a-1")) == "a-1"
    assert template.every_tenant == url.replace(f"{{{claim}}}", "{tenantid}")


@pytest.mark.parametrize(
    "url",
    [
        "https://{tid}.login.example/v2.0",
        "https://login.example:{tid}/",
        "https://{tid}/v2.0",
        "{tid}",
        "https://login.example/tenant-{tid}/v2.0",
        "https://login.example/{tid}x/v2.0",
        "https://login.example/{tid}?x=1",
        "https://login.example/{tid}/{oid}",
        "https://login.example/{tid}/{tid}",
        "https://login.example/{}/v2.0",
        "https://login.example/{{tid}}/v2.0",
        "https://login.example/{t id}/v2.0",
        "https://login.example/{tid/v2.0",
        "https://login.example/tid}/v2.0",
        "https://login.example/}tid{/v2.0",
        f"https://login.example/{{{'x' * 65}}}/v2.0",
    ],
)
def test_anything_else_with_a_brace_is_none(url: str) -> None:
    assert is_template(url)
    with pytest.raises(ValueError, match=r"^must have "):
        Template(url, None)


@pytest.mark.parametrize(
    "iss",
    [
        "https://login.microsoftonline.com//v2.0",
        "https://login.microsoftonline.com/v2.0",
        f"https://login.microsoftonline.com/{A}/v2.0/",
        f"https://login.microsoftonline.com/{A}/v1.0",
        f"https://login.microsoftonline.com/{A}/x/v2.0",
        f"https://login.microsoftonline.com/{A}%2fv2.0",
        f"https://LOGIN.microsoftonline.com/{A}/v2.0",
        f"http://login.microsoftonline.com/{A}/v2.0",
        f"https://login.microsoftonline.com.evil.example/{A}/v2.0",
        f"https://login.microsoftonline.com/{A}/v2.0\n",
        "https://login.microsoftonline.com/a_b/v2.0",
        "https://login.microsoftonline.com/contoso.com/v2.0",
        "https://login.microsoftonline.com/ü/v2.0",
        "https://login.microsoftonline.com/\u0661/v2.0",
        "https://login.microsoftonline.com/../v2.0",
        "https://login.microsoftonline.com/{tid}/v2.0",
        f"https://login.microsoftonline.com/{'a' * 65}/v2.0",
        "",
    ],
)
def test_what_is_no_tenants_issuer_to_the_letter_is_none(iss: str) -> None:
    assert Template(ENTRA, None).find_tenant(iss) is None


def test_the_places_of_a_short_url_do_not_overlap() -> None:
    template = Template("https://a/x/{t}/x/", None)
    assert template.find_tenant("https://a/x/") is None
    assert template.find_tenant("https://a/x/x/") is None
    assert template.find_tenant("https://a/x/t/x/") == "t"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a", True), ("A-1", True), ("a" * 64, True), ("", False), ("a" * 65, False), ("a.b", False), ("a\n", False)],
)
def test_a_tenant_is_1_to_64_letters_digits_and_hyphens(text: str, expected: object) -> None:
    assert is_tenant(text) is expected


def test_tenants_of_the_list_count_or_any_does() -> None:
    listed = template_of(issuer(issuer=ENTRA, tenants=("a", "b")))
    assert listed is not None
    assert (listed.takes("a"), listed.takes("c")) == (True, False)
    anybody = template_of(issuer(issuer=ENTRA, tenants="any"))
    assert anybody is not None
    assert anybody.takes("c")
    nobody = template_of(issuer(issuer=ENTRA))
    assert nobody is not None
    assert not nobody.takes("a")
    assert template_of(issuer()) is None


def test_tenants_without_one_address_for_all_keys_are_asked_apart() -> None:
    listed = issuer(issuer=ENTRA, tenants=("a", "b"))
    assert are_apart(listed)
    assert list(filled(listed)) == [
        "https://login.microsoftonline.com/a/v2.0",
        "https://login.microsoftonline.com/b/v2.0",
    ]
    assert not are_apart(issuer(issuer=ENTRA, tenants=("a",), jwks_url="https://keys.example"))
    assert not are_apart(issuer(issuer=ENTRA, tenants=("a",), jwks_file="keys.json"))
    assert not are_apart(issuer())
    assert list(filled(issuer())) == []
    assert list(filled(issuer(issuer=ENTRA, tenants="any", jwks_url="https://keys.example"))) == []
