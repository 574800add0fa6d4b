"""The page is small, is all here, and runs nothing that is not a file of ours."""

import re

from gateway.console.page import HEADERS, POLICY, parts

LIMIT = 60 * 1024


def test_all_of_it_together_is_small() -> None:
    assert sum(len(part.content) for part in parts().values()) < LIMIT


def test_nothing_is_inline_and_nothing_comes_from_elsewhere() -> None:
    page = parts()["/"].content.decode()
    assert re.findall(r"<script(?![^>]*\bsrc=)[^>]*>|<style|\bstyle=|\bon[a-z]+=", page) == []
    for part in parts().values():
        assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)", part.content.decode()) == []
    assert "unsafe" not in POLICY
    assert HEADERS["Content-Security-Policy"] == POLICY


def test_nothing_is_made_of_text_that_somebody_else_wrote() -> None:
    for part in parts().values():
        assert re.findall(rb"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b", part.content) == []
