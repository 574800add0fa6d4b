"""`inject` as a shell sees it: what goes where, and when nothing is printed."""

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.inject.reading import compose, plain
from tests.commands import program
from tests.inject.manifests import DEPLOYMENT, HEADLESS, NUMERIC, SERVICE, gateway_of, objects

CONFIG = "issuers:\n  - issuer: https://login.example.com/\n    audience: https://api.example.com\n    preset: auth0\n"
ISSUER = ("--issuer", "https://login.example.com/", "--audience", "https://api.example.com", "--preset", "auth0")
ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


@pytest.fixture
def run(here: program.Run) -> program.Run:
    return here


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def api(tmp_path: Path) -> Path:
    path = tmp_path / "api.yaml"
    path.write_text(DEPLOYMENT + SERVICE)
    return path


def piped(text: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-m", "gateway", "inject", *arguments], cwd=program.ROOT, input=text, capture_output=True, timeout=30, check=False)  # fmt: skip


def test_the_stream_goes_to_one_side_and_sentences_to_the_other(api: Path, config: Path) -> None:
    done = program.run("inject", "-f", str(api), "--config", str(config), GATEWAY_LISTEN="127.0.0.1:1")
    assert done.returncode == 0, done.stderr
    found = objects(done.stdout)
    assert gateway_of(found["Deployment/web"])["image"].startswith("bearer-gateway:0.")
    (config_map,) = [value for name, value in found.items() if name.startswith("ConfigMap")]
    assert config_map["data"] == {"gateway.yaml": CONFIG}
    assert done.stderr.startswith("note     Deployment/web: ")
    assert f"bearer-gateway inject -f {api} --config {config} --part service | kubectl apply -f -" in done.stderr


def test_bytes_pass_as_they_are_there_and_back() -> None:
    text = b"\xef\xbb\xbf" + (DEPLOYMENT + SERVICE + "# \u00e9nd").replace("\n", "\r\n").encode()
    there = piped(text, *ISSUER)
    assert there.returncode == 0, there.stderr
    assert there.stdout.startswith(text[:30])
    assert piped(there.stdout, "--remove").stdout == text


def test_a_few_options_are_enough(run: program.Run, api: Path) -> None:
    done = run("inject", "-f", str(api), *ISSUER)
    environment = {one["name"]: one["value"] for one in gateway_of(objects(done.stdout)["Deployment/web"])["env"]}
    assert environment == {
        "GATEWAY_LISTEN": ":15080",
        "GATEWAY_ADMIN": ":15090",
        "GATEWAY_UPSTREAM": "http://127.0.0.1:8080",
        "GATEWAY_ISSUER": "https://login.example.com/",
        "GATEWAY_AUDIENCE": "https://api.example.com",
        "GATEWAY_PRESET": "auth0",
    }


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ("issuers: [{issuer: https://x.example, audiense: a}]\n", "did you mean audience?"),
        ("listen: ':1'\n", "configuration: issuers: is required"),
        ("a: [", "is not valid YAML at line"),
        (CONFIG + "upstream: http://api.example.com\n", "upstream is not in the pod"),
        (CONFIG + "upstream: http://127.0.0.1:3000\n", "has no port 3000, which the configuration names"),
        (CONFIG + "    ca_file: /etc/ca.pem\n", "names a file that is not in the pod: --secret NAME"),
        (CONFIG + "upstreams: {shop: {url: 'https://shop.example', authorization: {bearer: {file: /etc/bearer-gateway/secrets/other/key}}}}\n", "names a file that is not in the pod"),
    ],
)  # fmt: skip
def test_nothing_is_printed_with_a_configuration_that_is_not_sound(
    run: program.Run, api: Path, tmp_path: Path, config: str, sentence: str
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(config)
    done = run("inject", "-f", str(api), "--config", str(path))
    assert (done.returncode, done.stdout) == (1, "")
    assert sentence in done.stderr
    assert "Nothing is printed: " in done.stderr


def test_the_guard_stays_in_what_inject_has_printed(run: program.Run, tmp_path: Path) -> None:
    path, old = tmp_path / "all.yaml", "kind: NetworkPolicy\nmetadata: {name: old}\nspec:\n  podSelector: {matchLabels: {app: web}}\n  ingress: [{ports: [{port: 8080}]}]\n"  # fmt: skip
    for text in (DEPLOYMENT + NUMERIC, f"{DEPLOYMENT}---\n{old}"):
        path.write_text(text)
        assert "for every" in run("inject", "-f", str(path), *ISSUER).stderr
        path.write_text(guarded := run("inject", "-f", str(path), *ISSUER, "--part", "service").stdout)
        again = run("inject", "-f", str(path), *ISSUER)
        assert again.stdout == guarded
        assert "takes the guard out" not in again.stderr
        back = run("inject", "-f", str(path), *ISSUER, "--part", "workload")
        assert "warning  --part workload takes the guard out" in back.stderr
        path.write_text(back.stdout)
        again = run("inject", "-f", str(path), *ISSUER)
        assert again.stdout == back.stdout
        assert run("inject", "-f", str(path), "--remove").stdout == text


def test_several_files_are_one_stream(run: program.Run, tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    files = ("-f", str(first), "-f", str(second))
    first.write_text(DEPLOYMENT.rstrip("\n"))
    second.write_text("\ufeff" + NUMERIC.removeprefix("---\n"))
    done = run("inject", *files, *ISSUER, "--part", "all")
    assert done.returncode == 0, done.stderr
    found = objects(done.stdout)
    assert gateway_of(found["Deployment/web"])
    assert found["Service/web"]["spec"]["ports"][0]["targetPort"] == 15080
    assert run("inject", *files, "--remove").stdout == DEPLOYMENT + NUMERIC
    assert f"bearer-gateway inject {' '.join(files)} --issuer" in run("inject", *files, *ISSUER).stderr
    assert "can be given once" in run("inject", "-f", "-", "-f", "-", *ISSUER).stderr


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [\n", "is not valid YAML at line 2"),
        (f"{DEPLOYMENT}---\n\tx: {{\n", "is not valid YAML at line"),
        ("error: no such chart: {\n", "is not valid YAML"),
        ("Usage of it\n", "has no manifest of Kubernetes"),
        ("{}", "has no manifest of Kubernetes"),
    ],
)
def test_nothing_is_taken_out_of_what_is_no_stream(run: program.Run, tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "other"
    path.write_text(text)
    done = run("inject", "-f", str(path), "--remove")
    assert (done.returncode, done.stdout) == (1, "")
    assert sentence in done.stderr


@pytest.mark.parametrize(
    "text", ["", "---\n# nothing\n", "kind: ConfigMap\n", "kind: CustomResourceDefinition\nx: [\n"]
)
def test_what_inject_has_not_touched_passes(run: program.Run, tmp_path: Path, text: str) -> None:
    path = tmp_path / "other"
    path.write_text(text)
    assert run("inject", "-f", str(path), "--remove")[:2] == (0, text)


def test_what_is_missing_is_named_by_the_option_that_gives_it(run: program.Run, api: Path, tmp_path: Path) -> None:
    done = run("inject", "-f", str(api))
    assert "issuers: is required; give --config FILE, or --issuer" in done.stderr
    assert "GATEWAY_" not in done.stderr
    done = run("inject", "-f", str(api), "--issuer", "https://login.example.com/")
    assert "give --config FILE, or --audience" in done.stderr
    assert "is no port: one is written as" in run("inject", "--target-port", "127.0.0.1:9090").stderr
    assert f"file '{tmp_path}/nope.yaml' cannot be read" in run("inject", "-f", f"{tmp_path}/nope.yaml", *ISSUER).stderr


def test_secrets_are_mounted_where_the_configuration_names_them(run: program.Run, api: Path, config: Path) -> None:
    config.write_text(
        CONFIG + "    ca_file: /etc/bearer-gateway/files/ca/ca.pem\n"
        "upstreams: {shop: {url: 'https://shop.example', authorization: {bearer: {file: /etc/bearer-gateway/secrets/shop/token}}}}\n"
    )
    done = run("inject", "-f", str(api), "--config", str(config), "--secret", "shop:token", "--files", "ca")
    assert done.returncode == 0, done.stderr
    assert "--secret shop:token --files ca" in done.stderr
    done = run("inject", "-f", str(api), "--config", str(config), "--secret", "shop:other", "--files", "ca")
    assert "names a key that --secret shop:other leaves out" in done.stderr


def test_a_config_map_of_the_stream_is_judged_and_another_is_told_of(run: program.Run, tmp_path: Path) -> None:
    path = tmp_path / "all.yaml"
    path.write_text(DEPLOYMENT + "---\nkind: ConfigMap\nmetadata: {name: gw}\ndata:\n  g.yaml: |\n    issuers: []\n")
    done = run("inject", "-f", str(path), "--config-map", "gw:g.yaml")
    assert done.returncode == 1
    assert "configuration: issuers: " in done.stderr
    done = run("inject", "-f", str(path), "--config-map", "other")
    assert done.returncode == 0
    assert "ConfigMap/other: is not in the stream with a key gateway.yaml" in done.stderr
    assert run("inject", "-f", str(path), "--config-map", "a", "--config", "b").returncode == 1


def test_limits_and_who_asks_the_cluster_are_read_from_the_configuration(
    run: program.Run, api: Path, config: Path
) -> None:
    config.write_text(
        CONFIG
        + f"    jwks_url: https://kubernetes.default.svc/openid/v1/jwks\n    ca_file: {ACCOUNT}/ca.crt\nlimits: {{drain_delay: 9s}}\n"
    )
    found = objects(run("inject", "-f", str(api), "--config", str(config)).stdout)["Deployment/web"]
    pod = found["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] == 40
    assert [volume["name"] for volume in pod["volumes"]] == ["bearer-gateway-tmp", "bearer-gateway-config"]


def test_a_console_stays_on_loopback_has_a_place_for_its_key_and_takes_no_port_of_the_api(
    run: program.Run, api: Path, config: Path
) -> None:
    config.write_text(CONFIG + "console: 127.0.0.1:9091\n")
    done = run("inject", "-f", str(api), "--config", str(config))
    assert done.returncode == 0, done.stderr
    assert "kubectl exec deployment/web -c bearer-gateway -- bearer-gateway console" in done.stderr
    pod = objects(done.stdout)["Deployment/web"]["spec"]["template"]["spec"]
    (gateway,) = [one for one in pod["initContainers"] if one["name"] == "bearer-gateway"]
    # Nobody reaches it from outside, and its key's socket has a directory that may be written to.
    assert 9091 not in [port["containerPort"] for port in gateway["ports"]]
    assert {"name": "bearer-gateway-tmp", "mountPath": "/tmp"} in gateway["volumeMounts"]
    config.write_text(CONFIG + "console: 127.0.0.1:8080\n")
    done = run("inject", "-f", str(api), "--config", str(config))
    assert done.returncode == 1
    assert "has its API on port 8080, which is the gateway's: give it another one by console" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--listen", "15080"], ["--listen", "127.0.0.1:1"], ["--listen", ":0"], ["--secret", "A_B"], ["--secret", "a:../b"], ["--selector", "a=b=c"],
        ["--target-port", "127.0.0.1:9090"], ["--target-port", "0"], ["--target-port", "70000"], ["--selector", "!a=b"], ["--part", "half"], ["--config-map", ""], ["--metrics-from", "a b"], ["--nobody"],
    ],
)  # fmt: skip
def test_a_wrong_command_line_is_2(run: program.Run, api: Path, arguments: list[str]) -> None:
    done = run("inject", "-f", str(api), *ISSUER, *arguments)
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "stream.yaml' cannot be read: No such file"),
        (b"\xff", "stream.yaml' is not UTF-8 text: byte 0xff at line 1"),
        (b"kind: Pod\nmetadata: {{ x }}\n", "render it first: helm template"),
        (b"\n", "problem  the stream is empty"),
        (b"---\n# nothing\n", "problem  the stream is empty"),
        (b"kind: ConfigMap\n", "nothing that a gateway was put beside"),
        (DEPLOYMENT.replace("8080", "15080").encode(), "give it another one by --listen"),
        ((DEPLOYMENT + HEADLESS).encode(), "which is headless"),
    ],
)
def test_a_stream_that_cannot_be_injected_is_1(
    run: program.Run, tmp_path: Path, content: bytes | None, sentence: str
) -> None:
    path = tmp_path / "stream.yaml"
    if content is not None:
        path.write_bytes(content)
    done = run("inject", "-f", str(path), *ISSUER)
    assert (done.returncode, done.stdout) == (1, "")
    assert sentence in done.stderr


def test_every_option_is_shown_again_in_the_next_step(run: program.Run, tmp_path: Path, config: Path) -> None:
    path = tmp_path / "an api.yaml"
    path.write_text(
        (DEPLOYMENT + NUMERIC).replace("metadata:\n  name: web\n", "metadata:\n  name: web\n  labels: {a: b}\n", 1)
    )
    options = (
        "--config", str(config), "--secret", "s:k", "--files", "f", "--image", "i:1", "--listen", ":1", "--admin", ":2", "--container",
        "--target-port", "8080", "--name", "web", "--selector", "a=b,c!=d,a,!e", "--metrics-from", "m", "--unsafe",
    )  # fmt: skip
    done = run("inject", "-f", str(path), *options)
    assert done.returncode == 0, done.stderr
    shown = (
        "bearer-gateway inject -f '" + str(path) + "' " + " ".join(options).replace("a=b,c!=d,a,!e", "'a=b,c!=d,a,!e'")
    )
    assert f"{shown} --part service | kubectl apply -f -" in done.stderr
    assert "... | bearer-gateway inject -f - " in piped(path.read_bytes(), *options).stderr.decode()


def test_the_probes_of_the_api_stand_in_the_configuration(run: program.Run, api: Path, config: Path) -> None:
    done = run("inject", "-f", str(api), "--config", str(config), "--loopback")
    assert done.returncode == 0, done.stderr
    (config_map,) = [value for name, value in objects(done.stdout).items() if name.startswith("ConfigMap")]
    (root,) = compose(config_map["data"]["gateway.yaml"])
    assert plain(root)["probes"] == {"api": {"readiness": {"http": "http://127.0.0.1:8080/health", "timeout": "900ms"}}}


def test_the_example_is_what_inject_writes(run: program.Run) -> None:
    example = program.ROOT / "deploy" / "kubernetes"
    image = "registry.example.com/bearer-gateway:0.1.0"
    done = run(
        "inject",
        "-f",
        str(example / "api.yaml"),
        "--config",
        str(example / "gateway.yaml"),
        "--part",
        "all",
        "--image",
        image,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == (example / "with-gateway.yaml").read_text()
    assert (
        run("inject", "-f", str(example / "with-gateway.yaml"), "--remove").stdout == (example / "api.yaml").read_text()
    )


def test_what_the_image_has_is_not_asked_of_this_machine(
    run: program.Run, api: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.write_text(
        DEPLOYMENT.replace("httpGet:\n            path: /health\n            port: http", "grpc: {port: 8080}")
    )
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    done = run("inject", "-f", str(api), "--config", str(config), "--loopback")
    assert done.returncode == 0, done.stderr


def test_a_collector_of_traces_is_one_option(run: program.Run, api: Path) -> None:
    done = run("inject", "-f", str(api), *ISSUER, "--tracing", "http://collector.observability:4318")
    assert done.returncode == 0, done.stderr
    assert "GATEWAY_TRACING" in done.stdout
    assert "OTEL_RESOURCE_ATTRIBUTES" in done.stdout
    assert "--tracing http://collector.observability:4318" in done.stderr
    assert "tracing.endpoint" in run("inject", "-f", str(api), *ISSUER, "--tracing", "collector:4318").stderr
