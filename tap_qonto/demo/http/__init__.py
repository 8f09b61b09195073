"""How Qonto shows the company: the rules of its API, in a process and on a port."""
