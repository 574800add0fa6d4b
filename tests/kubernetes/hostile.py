"""Values files as people write them, who think that Helm reads YAML as the gateway does; and what each of them means.

Helm reads YAML 1.1. What it makes of `off`, `010`, `1e3` or null has to become what was meant, or be refused with the path of the key.
"""

from dataclasses import dataclass

#: of a configuration that is sound
HEAD = """
config:
  upstream: http://orders:3000
  issuers:
    - {issuer: "https://login.example.com/", audience: orders-api}
"""


@dataclass(frozen=True)
class Means:
    """The values below `config` mean this text, read by the gateway."""

    text: str


@dataclass(frozen=True)
class Refused:
    """Helm refuses the values with what matches this pattern."""

    pattern: str


@dataclass(frozen=True)
class RefusedByCheck:
    """The init container refuses what was rendered, with a problem at this path."""

    path: str


Outcome = Means | Refused | RefusedByCheck


def _same(text: str) -> tuple[str, Outcome]:
    return text, Means(text)


#: name: the lines below `config`, and what comes of them
BELOW_CONFIG: dict[str, tuple[str, Outcome]] = {
    # words
    "the word off": ("log: {subject: off}", Means("log: {subject: 'off'}")),
    "the word off in quotes": _same('log: {subject: "off"}'),
    "a realm called no": ("realm: no", Refused(r"at '/config/realm': got boolean, want string")),
    "a realm called n": ("realm: n", Refused(r"at '/config/realm': got boolean, want string")),
    "a realm called no, in quotes": _same('realm: "no"'),
    "a realm called null, in quotes": _same('realm: "null"'),
    "yes for true": ("via: yes", Means("via: true")),
    "true in quotes": ('via: "true"', Refused(r"at '/config/via': got string, want boolean")),
    # numbers as text
    "an octal number as text": ("realm: 010", Refused(r"at '/config/realm': got number, want string")),
    "an octal number in quotes": _same('realm: "010"'),
    "an octal number of YAML 1.2 in quotes": _same('realm: "0o17"'),
    "an exponent in quotes": _same('realm: "1e3"'),
    "a date": _same("realm: 2026-01-01"),
    "an audience of digits": (
        "issuers: [{issuer: 'https://a/', audience: 0123456789}]",
        Refused(r"at '/config/issuers/0/audience': got number, want string"),
    ),
    "an audience of digits in quotes": _same("issuers: [{issuer: 'https://a/', audience: '0123456789'}]"),
    "an equals sign and a merge key in quotes": _same('routes: [{path: /a, claims: {a: "=", b: "<<"}}]'),
    "text that is a time in base 60": _same("routes: [{path: /a, claims: {a: 1:30, b: 190:20:30}}]"),
    "true, null and numbers as the text of claims": _same(
        'routes: [{path: /a, claims: {a: "true", b: ["null", "~", "12", ".5", "0x1F", "1_000", "y", "off"]}}]'
    ),
    "what only looks like numbers, as the text of claims": _same(
        'routes: [{path: /a, claims: {a: ["+_", "-_1", "1__0", "0o1_7", "+.inf", "_1", "1e", "0x", "1_e3", "+0b1", "9_.5", "12e03", "-0", "+12"]}}]'
    ),
    # numbers
    "a large number": _same("limits: {body_bytes: 10485760}"),
    "the largest number": _same("limits: {body_bytes: 1099511627776}"),
    "a number with an exponent": ("limits: {body_bytes: 1e6}", Means("limits: {body_bytes: 1000000}")),
    "a whole number with a point": ("limits: {body_bytes: 1048576.0}", Means("limits: {body_bytes: 1048576}")),
    "a fraction": _same("limits: {drain: 0.5}"),
    "a tiny fraction": _same("limits: {drain_delay: 0.0000001}"),
    "a duration in base 60": ("limits: {drain: 1:30}", Refused(r"at '/config/limits/drain'")),
    "infinity": ("limits: {drain: .inf}", Refused(r"unsupported value: \+Inf")),
    "a number beyond what JSON keeps": (
        "routes: [{path: /a, claims: {id: 12345678901234567890}}]",
        Refused(r"at '/config/routes/0/claims/id': maximum"),
    ),
    "the largest number that JSON keeps": _same("routes: [{path: /a, claims: {id: 9007199254740991}}]"),
    "a negative number": ("limits: {header_count: -1}", RefusedByCheck("limits.header_count")),
    "a duration that is a plain number in quotes": _same('limits: {drain: "10"}'),
    # null
    "null for any": _same("limits: {body_rate: null}"),
    "a tilde for any": _same("limits: {body_rate: ~}"),
    "nothing for any": _same("limits: {body_rate: }"),
    "null where it is no value": ("limits: null", Refused(r"at '/config/limits': got null, want object")),
    "null for the identity headers": (
        "identity_headers: null",
        Refused(r"at '/config/identity_headers': got null, want object"),
    ),
    "no identity headers": _same("identity_headers: {}"),
    "null in a list": ("trusted_proxies: [10.0.0.0/8, ]\n", Means("trusted_proxies: [10.0.0.0/8]")),
    "null deep in a mapping": _same("upstreams: {pay: {url: 'https://pay', max_age: null}}"),
    # keys
    "a key on": (
        "identity_headers: {on: sub}",
        Refused(r"config\.identity_headers: has a key that was read as \"true\""),
    ),
    "a claim y": (
        "routes: [{path: /a, claims: {y: b}}]",
        Refused(r"config\.routes\[0\]\.claims: has a key that was read as"),
    ),
    "a key of digits": (
        "identity_headers: {010: sub}",
        Refused(r"config\.identity_headers: has a key that was read as \"8\""),
    ),
    "a key with a point": (
        "routes: [{path: /a, claims: {1.50: a}}]",
        Refused(r"config\.routes\[0\]\.claims: .* \"1\.5\""),
    ),
    "a key null": ("identity_headers: {null: sub}", Refused(r"unsupported map key")),
    "a key with dots and slashes": _same('routes: [{path: /a, claims: {"https://example.com/roles": a, /a/b: c}}]'),
    "a typo": (
        "limits: {drain_dealy: 5s}",
        Refused(r"at '/config/limits': additional properties 'drain_dealy' not allowed"),
    ),
    "a typo at the top": ("isuers: []", Refused(r"at '/config': additional properties 'isuers' not allowed")),
    "a key of upper case": ("Limits: {}", Refused(r"at '/config': additional properties 'Limits' not allowed")),
    # text
    "a template": _same("realm: '{{ .Release.Name }}'"),
    "characters of HTML": _same("upstreams: {pay: {url: 'https://pay', headers: {X-A: '<b>&amp;</b>'}}}"),
    "letters of the world": _same('upstreams: {pay: {url: "https://pay", headers: {X-A: "naïve ☃ 😀"}}}'),
    "quotes and backslashes": _same("upstreams: {pay: {url: 'https://pay', headers: {X-A: 'a\"b\\n ''c'' #d: e'}}}"),
    "an anchor": _same("realm: &r api\nroutes: [{path: /a, name: *r}]"),
    "several lines": ("realm: |\n  a\n  b", Refused(r"config\.realm: must not have control characters")),
    "a tag": ("realm: !!str 010", Means("realm: '010'")),
    "lines with a carriage return": ("realm: a\r\nvia: true\r\n", Means("realm: a\nvia: true")),
    # a secret in the wrong place is not told
    "a secret itself": (
        "upstreams: {pay: {url: 'https://pay', authorization: {bearer: hunter2}}}",
        Refused(r"at '/config/upstreams/pay/authorization"),
    ),
    # the other shapes
    "a list": ("[a]", Refused(r"at '/config': got array, want string or object")),
    "a number": ("5", Refused(r"at '/config': got number, want string or object")),
    "the word no": ("no", Refused(r"at '/config': got boolean, want string or object")),
    "nothing": ("", Refused(r"config: is empty")),
}

#: Texts, which are inserted unchanged.
TEXTS: dict[str, str] = {
    "YAML 1.2": "log: {subject: off}\nlimits: {header_count: 010}\nroutes: [{path: /a, claims: {on: no, 010: 1:30}}]\n",
    "no line break at its end": "realm: a",
    "three line breaks at its end": "realm: a\n\n\n",
    "blanks at its begin": "   \n  realm: a\n  via: true\n",
    "carriage returns": "realm: a\r\nvia: true\r\n",
    "tabs": "realm:\ta\t# b\n",
    "blanks at the ends of lines": "realm: a   \n    \nvia: true\n",
    "a begin of a document": "---\nrealm: a\n",
    "a template": "# {{ fail \"no\" }}\nrealm: '{{ .Release.Name }}'\n",
    "letters of the world": "# grüße ☃ 😀\u2028\ufeff\nrealm: a\n",
    "JSON": '{"realm": "a"}',
    "a comment alone": "# nothing",
}
