"""`python -m ticketbench`."""

from ticketbench.cli import main

main()
