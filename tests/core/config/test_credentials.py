from gateway.core.config.conversion import convert
from gateway.core.config.credentials import CredentialPlace, places_in

ISSUERS = [{"issuer": "https://login.example.com/", "audience": "a"}]


def test_a_place_is_a_word_or_a_mapping() -> None:
    found = convert({"issuers": ISSUERS, "credentials": ["authorization", {"header": "X-Access-Token"}]})
    assert found.problems == ()
    assert found.config.credentials == ("authorization", CredentialPlace(header="X-Access-Token"))
    assert convert({"issuers": ISSUERS}).config.credentials == ("authorization",)
    (problem,) = convert({"issuers": ISSUERS, "credentials": ["autorization"]}).problems
    assert problem.path == "credentials[0]"


def test_places_are_told_with_their_index() -> None:
    found = places_in(("authorization", CredentialPlace(header="A"), CredentialPlace(), CredentialPlace(cookie="b")))
    assert list(found) == [(1, "header", "A"), (3, "cookie", "b")]
