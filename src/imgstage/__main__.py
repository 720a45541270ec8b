"""`python -m imgstage`."""

from .cli import main

main()
