"""A collector of OpenTelemetry, made of its own parts: it takes OTLP over HTTP and writes what it took into a file."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.kubernetes.tools import COMPILING, HOME, UNCOLLECTED, BuildFailed, once, say

STABLE, BETA = "v1.71.0", "v0.165.0"
_COLLECTOR: Final = "go.opentelemetry.io/collector"
_FILE: Final = "github.com/open-telemetry/opentelemetry-collector-contrib/exporter/fileexporter"
#: module to version
MODULES: Final = {
    f"{_COLLECTOR}/component": STABLE,
    f"{_COLLECTOR}/confmap": STABLE,
    f"{_COLLECTOR}/confmap/provider/fileprovider": STABLE,
    f"{_COLLECTOR}/exporter": STABLE,
    f"{_COLLECTOR}/otelcol": BETA,
    f"{_COLLECTOR}/receiver": STABLE,
    f"{_COLLECTOR}/receiver/otlpreceiver": BETA,
    f"{_COLLECTOR}/service": BETA,
    _FILE: "v0.165.1",
}
_PROGRAM: Final = f"""package main

import (
	"os"

	file "{_FILE}"
	"{_COLLECTOR}/component"
	"{_COLLECTOR}/confmap"
	"{_COLLECTOR}/confmap/provider/fileprovider"
	"{_COLLECTOR}/exporter"
	"{_COLLECTOR}/otelcol"
	"{_COLLECTOR}/receiver"
	otlp "{_COLLECTOR}/receiver/otlpreceiver"
	"{_COLLECTOR}/service/telemetry/otelconftelemetry"
)

func parts() (made otelcol.Factories, err error) {{
	made.Telemetry = otelconftelemetry.NewFactory()
	if made.Receivers, err = otelcol.MakeFactoryMap[receiver.Factory](otlp.NewFactory()); err == nil {{
		made.Exporters, err = otelcol.MakeFactoryMap[exporter.Factory](file.NewFactory())
	}}
	return
}}

func main() {{
	var told otelcol.CollectorSettings
	told.BuildInfo = component.NewDefaultBuildInfo()
	told.Factories = parts
	told.ConfigProviderSettings.ResolverSettings = confmap.ResolverSettings{{
		ProviderFactories: []confmap.ProviderFactory{{fileprovider.NewFactory()}},
		DefaultScheme:     "file",
	}}
	if otelcol.NewCommand(told).Execute() != nil {{
		os.Exit(1)
	}}
}}
"""
_CONFIG: Final = """
receivers: {{otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{port}"}}}}}}}}
exporters: {{file: {{path: {taken}, flush_interval: 100ms}}}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{traces: {{receivers: [otlp], exporters: [file]}}}}
"""


def program() -> Path:
    """Where it is. Built first where it is not there yet: a minute."""
    made = HOME / "bin" / "otelcol"
    with once("otelcol", repr((MODULES, _PROGRAM)), [made]) as missing:
        if missing:
            _build(made)
    return made


def _build(made: Path) -> None:
    if shutil.which("go") is None:
        raise BuildFailed("go was not found: Go 1.26 or newer builds what these tests run")
    say("building otelcol: on two cores about 60 s, once")
    work = HOME / "build" / "otelcol"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    (work / "main.go").write_text(_PROGRAM)
    needed = "".join(f"\t{module} {version}\n" for module, version in MODULES.items())
    (work / "go.mod").write_text(f"module otelcol\n\ngo 1.26\n\nrequire (\n{needed})\n")
    made.parent.mkdir(exist_ok=True)
    command = ["go", "build", "-mod=mod", *COMPILING, "-ldflags=-s -w", "-o", str(made), "."]
    environment = {**os.environ, **UNCOLLECTED, "GOCACHE": str(work / "cache")}
    done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, check=False)
    shutil.rmtree(work, ignore_errors=True)
    if done.returncode != 0:
        raise BuildFailed(f"otelcol: {done.stderr[-2000:]}")


@contextmanager
def collecting(folder: Path, port: int) -> Iterator[Path]:
    """One that listens on the port; the file to which it writes what it took, a JSON object a line."""
    taken = folder / "taken.json"
    config = folder / "collector.yaml"
    config.write_text(_CONFIG.format(port=port, taken=taken))
    with (folder / "collector.log").open("wb") as log:
        process = subprocess.Popen([program(), "--config", config], stdout=log, stderr=log)
        try:
            yield taken
        finally:
            process.terminate()
            process.wait(20)
