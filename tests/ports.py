"""Free ports on 127.0.0.1, for servers whose port must be known before they start or stays the same after a restart.

    python3 tests/ports.py

prints one.
"""

import random
import socket

# Below the ephemeral range, which begins at 32768 (net.ipv4.ip_local_port_range). bind() with port 0 chooses from that
# range, and so does the kernel for outgoing connections: one of those could take the port before the server starts.
FIRST, LAST = 15_000, 32_000
CHOSEN = set()


def free_port():
    """Returns a port that nothing listens on. This process gets each one once."""
    while True:
        # Independent of the seed that a test sets.
        port = random.SystemRandom().randrange(FIRST, LAST)
        if port not in CHOSEN and is_free(port):
            CHOSEN.add(port)
            return port


def is_free(port):
    try:
        socket.create_server(("127.0.0.1", port)).close()
        return True
    except OSError:
        return False


if __name__ == "__main__":
    print(free_port())
