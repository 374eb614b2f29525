"""TCP ports for servers that a test starts."""

import socket


def free_port() -> int:
    """A port that the system gives to nobody else for a minute.

    A connection was made over it and ended here first: until the port's TIME_WAIT is over, the
    system hands it out to no other, and a server that asks for it by number, as all do with
    SO_REUSEADDR, gets it.
    """
    with socket.socket() as listener, socket.socket() as client:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        client.connect(listener.getsockname())
        listener.accept()[0].close()
        port: int = listener.getsockname()[1]
        return port
