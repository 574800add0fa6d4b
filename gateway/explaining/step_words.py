"""What each step of a request says when it passed, of what it saw: the words of `explain`."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.core.rates.fields import rates_in_words
from gateway.core.shown import shown
from gateway.core.token.confirmation import KEY
from gateway.core.token.markers import Verdict
from gateway.core.trail import Step
from gateway.ports import Ending


def _request(ending: Ending, _: Mapping[str, Any]) -> str:
    return f"{ending.facts.method} {ending.facts.path}" if ending.facts is not None else ""


def _route(ending: Ending, _: Mapping[str, Any]) -> str:
    route = ending.route
    if route is None:
        return ""
    resource = "" if route.resource is None else f", of {route.resource}"
    return route.name + (" (only reports)" if route.reports else "") + resource


def _class(_: Ending, seen: Mapping[str, Any]) -> str:
    verdict: Verdict = seen["verdict"]
    return f"{verdict.kind}: {verdict.evidence}"


def _form(_: Ending, seen: Mapping[str, Any]) -> str:
    if "form" in seen:
        return f"{seen['form']}: its issuer is asked"
    return f"alg {seen['alg']}, kid {shown(seen['kid'])}, typ {shown(seen['typ'])}"


def _issuer(_: Ending, seen: Mapping[str, Any]) -> str:
    tenant = seen.get("tenant")
    return f"{seen['name']} ({shown(seen['iss'])})" + ("" if tenant is None else f", tenant {shown(tenant)}")


def _audience(_: Ending, seen: Mapping[str, Any]) -> str:
    if "claim" not in seen:
        return "none in the token; its issuer says it, or need not"
    return f"{seen['claim']} is {shown(seen['value'])}; expected {shown(sorted(seen['expected']))}"


def _headers(ending: Ending, _: Mapping[str, Any]) -> str:
    if ending.identity is None:
        return ""
    return ", ".join(dict.fromkeys(name.decode() for name, _ in ending.identity.headers)) or "none"


def _binding(ending: Ending, seen: Mapping[str, Any]) -> str:
    bound = None if ending.identity is None else ending.identity.confirmation
    proven = "none" if bound is None else f"proven: {', '.join(bound.methods)}"
    if "alg" not in seen or bound is None:
        return proven
    method = "" if ending.facts is None else f"{ending.facts.method} "
    nonce = ", with a nonce of ours" if seen["nonce"] else ""
    return (
        f"{proven}; the proof: {seen['alg']} by key {bound.methods[KEY][:8]}, for {method}{seen['url']}, "
        f"made {seen['age']:.0f} s ago, for this token{nonce}"
    )


def _policy(ending: Ending, _: Mapping[str, Any]) -> str:
    if ending.identity is None:
        return ""
    demands = None if ending.route is None else ending.route.demands
    return "; ".join(
        [f"scopes {' '.join(ending.identity.scopes) or 'none'}", *(() if demands is None else demands.in_words())]
    )


def _userinfo(_: Ending, seen: Mapping[str, Any]) -> str:
    found, lacked = ", ".join(sorted(seen["found"])), ", ".join(sorted(seen["lacked"] - seen["found"]))
    if seen["failure"]:
        return f"{lacked} as if absent: {seen['failure']}"
    return "; ".join(filter(None, (found and f"{found} from the issuer", lacked and f"{lacked} are not there either")))


#: step to what it says when it passed, of what it saw
WORDS: Final[Mapping[Step, Callable[[Ending, Mapping[str, Any]], str]]] = {
    Step.REQUEST: _request,
    Step.ROUTE: _route,
    Step.CREDENTIAL: lambda _, seen: f"one {seen['scheme'].lower()} token in {seen['place']}" if seen else "",
    Step.REMEMBERED: lambda _, __: "it passed before; its times and its key were looked at again",
    Step.FORM: _form,
    Step.ISSUER: _issuer,
    Step.CLASS: _class,
    Step.TIME: lambda _, seen: f"expires in {seen['seconds left']:.0f} s",
    Step.AUDIENCE: _audience,
    Step.SUBJECT: lambda _, seen: f"sub {shown(seen['sub'])}, client {shown(seen['client'])}",
    Step.BAD_TOKENS: lambda _, __: "few of late came from where this one came from",
    Step.SIGNATURE: lambda _, seen: f"by key {shown(seen['kid'])} ({seen['thumbprint']}), {seen['tried']} tried",
    Step.INTROSPECTION: lambda _, seen: (
        f"{seen['issuer']} says that it is active; that is believed for {seen['seconds']:.0f} s"
    ),
    Step.HEADERS: _headers,
    Step.REVOCATION: lambda _, __: "nothing that was revoked is about it",
    Step.BINDING: _binding,
    Step.ORIGIN: lambda _, __: "of a page of ours, or of none",
    Step.RATES: lambda _, seen: rates_in_words(**seen),
    Step.POLICY: _policy,
    Step.USERINFO: _userinfo,
    Step.CONDITION: lambda _, __: "met",
    Step.REPLAY: lambda _, __: "not used before",
    Step.BODY: lambda _, __: "within limits",
    Step.EXCHANGE: lambda _, seen: f"the API would get {seen['token']}",
    Step.UPSTREAM: lambda _, __: "",
}
