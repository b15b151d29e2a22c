"""Print the least version of each requirement that pyproject.toml promises to work with, as constraints for pip."""

import re
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
for requirement in project["dependencies"]:
    # The least torch would come with gigabytes of CUDA; the one of the lock is taken.
    if not requirement.startswith("torch>"):
        print(re.sub(r">=([^,;]+).*", r"==\1", requirement))
locked = Path("constraints.txt").read_text(encoding="utf-8").splitlines()
print(*(line for line in locked if line.startswith("torch==")))
