"""`python -m vonggac` is the command `vonggac`."""

from vonggac.cli import main

if __name__ == "__main__":
    main()
