"""`python -m kpolicy`."""

from kpolicy.cli.main import main

if __name__ == "__main__":
    main(prog_name="kpolicy")
