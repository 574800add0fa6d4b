"""What `check --strict` takes for a problem: somebody gets in who a reader of the file would say does not."""

from gateway.core.checks.demands import demand_warnings
from gateway.core.checks.headers import header_warnings
from gateway.core.checks.hosts import host_warnings
from gateway.core.checks.routes import order_warnings, scope_warnings
from gateway.core.config.file import Config
from gateway.core.config.words import ConfigProblem


def strict_warnings(config: Config) -> list[ConfigProblem]:
    """Of the warnings those that are no choice somebody wrote down, such as access: public or mode: report."""
    return [
        *host_warnings(config),
        *header_warnings(config),
        *order_warnings(config),
        *scope_warnings(config),
        *demand_warnings(config),
    ]
