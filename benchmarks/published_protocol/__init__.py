"""NASFLAT as its authors ran it: network, training loop, protocol, figures."""
