"""`imgstage`, and `python -m imgstage`."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C is a sentence even while it is being loaded."""
    try:
        from .cli import main as command_line

        command_line()
    except KeyboardInterrupt:
        import os
        import signal

        signal.signal(signal.SIGINT, signal.SIG_IGN)
        sys.stderr.write("imgstage: Interrupted. See how things stand: imgstage status\n")
        sys.stderr.flush()
        os._exit(2)


if __name__ == "__main__":
    main()
