"""Networks, one a file; `registry` lists them."""
