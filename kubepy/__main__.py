"""`python -m kubepy` is the kubepy command."""

from kubepy.cli.main import main

main()
