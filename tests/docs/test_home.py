"""Every address of the project begins with the one that pyproject.toml declares, and leads to a file that is here."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOME = re.search(
    r'^Repository = "(https://github.com/[^"/]+/[^"/]+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE
)[1]
PICTURES = HOME.replace("//github.com/", "//raw.githubusercontent.com/")
NAMING = [
    "README.md",
    "CITATION.cff",
    "SECURITY.md",
    "mkdocs.yml",
    "pyproject.toml",
    ".github/ISSUE_TEMPLATE/config.yml",
]
#: Files of the project on GitHub, as read and as they are.
FILES = re.compile(rf"(?:{re.escape(HOME)}/blob|{re.escape(PICTURES)})/main/([^\s)\"#]*)")
ADDRESS = re.compile(r"https://(?:raw\.)?github(?:usercontent)?\.com/[^\s)\"}]*")


@pytest.mark.parametrize("name", NAMING)
def test_addresses_begin_with_the_declared_one_and_their_files_are_here(name):
    text = (ROOT / name).read_text()
    addresses = ADDRESS.findall(text)
    assert addresses
    for address in addresses:
        assert address == HOME or address.startswith((f"{HOME}/", f"{PICTURES}/main/")), address
    for path in FILES.findall(text):
        assert (ROOT / path).exists(), path


def test_no_link_or_picture_of_the_readme_is_relative():
    text = (ROOT / "README.md").read_text()
    targets = re.findall(r"\]\((\S+)\)|^\[[\w-]+\]: (\S+)$", text, re.MULTILINE)
    assert [target for pair in targets for target in pair if target and not target.startswith("https://")] == []
    assert any(picture.startswith(PICTURES) for picture, _ in targets)
    # A reference without its address would be shown as it is written.
    assert set(re.findall(r"\]\[([\w-]+)\]", text)) == set(re.findall(r"^\[([\w-]+)\]: ", text, re.MULTILINE))
