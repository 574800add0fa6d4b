"""What is wrong or unsafe in `log`, and in what routes say of it."""

from collections.abc import Iterator

from gateway.core.config.file import Config
from gateway.core.config.words import ConfigProblem


def log_problems(config: Config) -> Iterator[ConfigProblem]:
    """What must be corrected."""
    if not 0 <= config.log.sample <= 1:
        yield ConfigProblem("log.sample", "must be from 0 to 1: the share of admitted requests that are logged")


def log_warnings(config: Config) -> Iterator[ConfigProblem]:
    """What may stay but ought to be known."""
    wanted = {config.log.access, *(route.log for route in config.routes)}
    if config.log.subject == "plain" and wanted & {"all", "refused"}:
        yield ConfigProblem("log.subject", "is plain: the access log names people")
    if config.log.sample < 1 and "all" not in wanted:
        yield ConfigProblem("log.sample", "has no effect: log.access leaves out every admitted request")
