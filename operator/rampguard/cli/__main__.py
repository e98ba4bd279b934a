"""`python -m rampguard.cli`: the same as kubectl-ramp, where no scripts are installed."""

from rampguard.cli.main import main

if __name__ == "__main__":
    main()
