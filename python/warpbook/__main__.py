"""`python -m warpbook`: the program that the package brings, as `warpbook` on the command line."""

import importlib.metadata
import os
import sys


def program():
    """Where pip has put the program."""
    for file in importlib.metadata.files("warpbook") or []:
        if file.name == "warpbook" and file.parent.name == "bin":
            return str(file.locate())
    sys.exit("this installation of the package has no program `warpbook`: it was not installed from a wheel")


if __name__ == "__main__":
    path = program()
    os.execv(path, [path, *sys.argv[1:]])
