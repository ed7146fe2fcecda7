"""`python -m hcnet` is `hcnet`."""

from hcnet.cli.main import main

main()
