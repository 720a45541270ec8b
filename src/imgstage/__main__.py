"""`imgstage`, and `python -m imgstage`."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C is a sentence even while it is being loaded."""
    try:
        from .cli import main as command_line

        command_line()
    except KeyboardInterrupt:
        sys.stderr.write("imgstage: Interrupted. See how things stand: imgstage status\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
