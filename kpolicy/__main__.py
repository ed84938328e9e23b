"""`python -m kpolicy`."""

from kpolicy.cli.main import run

if __name__ == "__main__":
    run()
