"""The short form of `console` is an address."""

from gateway.core.config.console import ConsoleSection, console_section_of


def test_the_short_form_is_the_long_one_with_an_address_alone() -> None:
    section = ConsoleSection(address="127.0.0.1:9091")
    assert console_section_of("127.0.0.1:9091") == console_section_of(section) == section
    assert console_section_of(None) is None
    assert (section.read_only, section.operators, section.hosts) == (False, None, ())
