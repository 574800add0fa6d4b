"""Starts what docs/identity.md shows, framework by framework: each on a port, as people would run it."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Final

import npm

HERE: Final = Path(__file__).parent
DOCS: Final = HERE.parents[2] / "docs"
ROUTERS: Final = HERE.parent / "routers"
START_SECONDS: Final = 90.0
#: jars of Spring come from Maven, once
BUILD_SECONDS: Final = 300.0

#: what the page calls http://gateway:9090
ADMIN: Final[ContextVar[str]] = ContextVar("ADMIN")

DJANGO: Final = """
import sys
from wsgiref.simple_server import make_server
import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import path
settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, MIDDLEWARE=["middleware.identity"], SECRET_KEY="x")
sys.modules[__name__].urlpatterns = [path("me", __import__("views").me)]
make_server("127.0.0.1", int(sys.argv[1]), get_wsgi_application()).serve_forever()
"""
RACK: Final = """
require_relative "me"
require "rack"
require "rack/handler/webrick"
Rack::Handler::WEBrick.run(Me, Host: "127.0.0.1", Port: ARGV[0].to_i, AccessLog: [], Logger: WEBrick::Log.new(nil, 0))
"""
SPRING: Final = """
package example;
@org.springframework.boot.autoconfigure.SpringBootApplication
public class Main {
    public static void main(String[] words) {
        org.springframework.boot.SpringApplication.run(Main.class, words);
    }
}
"""


def blocks(page: str, section: str, language: str) -> list[str]:
    """The blocks of code of one section of a page, in order. The gateway is where ADMIN says."""
    text = (DOCS / page).read_text().replace("http://gateway:9090", ADMIN.get())
    guarded = re.sub(r"^(```.*?^```)", _guarded, text, flags=re.MULTILINE | re.DOTALL)
    found = re.search(rf"^#+ {re.escape(section)}\n(.*?)(?=^#|\Z)", guarded, re.MULTILINE | re.DOTALL)
    assert found, section
    return [
        block.replace("\0", "#")
        for block in re.findall(rf"^```{language}\n(.*?)^```", found[1], re.MULTILINE | re.DOTALL)
    ]


def _guarded(found: re.Match[str]) -> str:
    """A block whose comments begin no section."""
    return re.sub(r"^#", "\0", found[1], flags=re.MULTILINE)


def _python(directory: Path) -> None:
    (code,) = blocks("assertion.md", "How an API verifies it", "python")
    (directory / "assertion.py").write_text(code)


def _flask(directory: Path, port: str) -> list[str]:
    _python(directory)
    (directory / "app.py").write_text(blocks("identity.md", "Flask", "python")[0])
    return [sys.executable, "-m", "flask", "--app", "app", "run", "--port", port]


def _fastapi(directory: Path, port: str) -> list[str]:
    _python(directory)
    (directory / "app.py").write_text(blocks("identity.md", "FastAPI", "python")[0])
    return [sys.executable, "-m", "uvicorn", "app:app", "--port", port, "--log-level", "warning"]


def _django(directory: Path, port: str) -> list[str]:
    _python(directory)
    middleware, views = blocks("identity.md", "Django", "python")
    (directory / "middleware.py").write_text(middleware)
    (directory / "views.py").write_text(views)
    (directory / "serve.py").write_text(DJANGO)
    return [sys.executable, "serve.py", port]


def _express(directory: Path, port: str) -> list[str]:
    npm.install(ROUTERS)
    (directory / "node_modules").symlink_to(ROUTERS / "node_modules")
    (directory / "package.json").write_text('{"type": "module"}')
    (directory / "assertion.js").write_text(blocks("assertion.md", "How an API verifies it", "js")[0])
    (directory / "app.js").write_text(blocks("identity.md", "Express", "js")[0])
    (directory / "serve.js").write_text(f'import {{ app }} from "./app.js"; app.listen({port}, "127.0.0.1")')
    return [npm.NODE, "serve.js"]


def _rack(directory: Path, port: str) -> list[str]:
    caller, _, me = blocks("identity.md", "Rails, and any Rack application", "ruby")
    (directory / "caller.rb").write_text(caller)
    (directory / "me.rb").write_text(me)
    (directory / "serve.rb").write_text(RACK)
    return ["ruby", "serve.rb", port]


def _php(directory: Path, port: str) -> list[str]:
    for name, code in zip(("assertion.php", "me.php"), blocks("identity.md", "PHP", "php"), strict=True):
        (directory / name).write_text(code)
    return ["php", "-S", f"127.0.0.1:{port}", "me.php"]


def _spring(directory: Path, port: str) -> list[str]:
    classpath = _jars()
    (directory / "Main.java").write_text(SPRING)
    (directory / "Me.java").write_text(blocks("identity.md", "Spring", "java")[0])
    # What makes one start of a JVM cheap.
    cheap = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-Xmx256m"]
    options = ["-proc:none", "-nowarn", "-parameters", "-cp", classpath, "-d", "classes"]
    command = ["javac", *(f"-J{option}" for option in cheap), *options, "Main.java", "Me.java"]
    subprocess.run(command, cwd=directory, check=True, timeout=BUILD_SECONDS, capture_output=True)
    options = [f"--server.port={port}", "--server.address=127.0.0.1", "--spring.main.banner-mode=off"]
    return ["java", *cheap, "-cp", f"classes:{classpath}", "example.Main", *options]


def _jars() -> str:
    """The class path that tests/e2e/identity/pom.xml asks for; Maven keeps the jars."""
    target = HERE.parents[1] / "artifacts" / "identity.classpath"
    pom = HERE / "pom.xml"
    if not target.exists() or target.stat().st_mtime < pom.stat().st_mtime or not _are_there(target.read_text()):
        target.parent.mkdir(exist_ok=True)
        goal = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath"
        command = ["mvn", "-q", "-B", "-f", str(pom), goal, f"-Dmdep.outputFile={target}"]
        subprocess.run(command, check=True, timeout=BUILD_SECONDS, capture_output=True)
    return target.read_text().strip()


def _are_there(classpath: str) -> bool:
    return all(Path(jar).exists() for jar in classpath.strip().split(":"))


#: writes the files, and gives the command
APPS: Final[dict[str, Callable[[Path, str], list[str]]]] = {
    "flask": _flask,
    "fastapi": _fastapi,
    "django": _django,
    "express": _express,
    "rack": _rack,
    "php": _php,
    "spring": _spring,
}
#: programs without which one cannot run; make test installs the small ones
NEEDS: Final = {"rack": ("ruby",), "php": ("php",), "spring": ("javac", "mvn")}


def missing(name: str) -> list[str]:
    """What of it is not installed."""
    return [program for program in NEEDS.get(name, ()) if shutil.which(program) is None]


@asynccontextmanager
async def running(name: str, directory: Path, port: str, *, admin: str) -> AsyncIterator[None]:
    """One of them, serving. `admin`: the gateway's, which the page calls http://gateway:9090."""
    ADMIN.set(admin)
    command = await asyncio.to_thread(APPS[name], directory, port)
    # Programs of their own, which find what stands beside them.
    environ = {name: value for name, value in os.environ.items() if name not in {"PYTHONSAFEPATH", "PYTHONPATH"}}
    environ |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONWARNINGS": "ignore"}
    process = await asyncio.create_subprocess_exec(
        *command, cwd=directory, env=environ, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    said = asyncio.create_task(process.stderr.read())
    try:
        async with asyncio.timeout(START_SECONDS):
            while not await _listens(port):
                assert process.returncode is None, (await said).decode()
                await asyncio.sleep(0.05)
        yield
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await said


async def _listens(port: str) -> bool:
    with suppress(OSError):
        _, writer = await asyncio.open_connection("127.0.0.1", int(port))
        writer.close()
        return True
    return False
