"""`python -m tests.every_module`: import every module of the application, and count them."""

import sys
from importlib import import_module
from pkgutil import walk_packages

import app

SCRIPTS = "__main__"

if __name__ == "__main__":
    names = [found.name for found in walk_packages(app.__path__, "app.")]
    for name in names:
        if not name.endswith(SCRIPTS):
            import_module(name)
    sys.stdout.write(f"{len(names)}\n")
