"""What the browser extension asks for, as plain functions: a host in, JSON out. :mod:`..host.routes` serves them."""
