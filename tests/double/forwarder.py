"""A TCP forwarder in front of a server: the double can close it, and every connection through it, at once."""

import contextlib
import socket
import threading


def bound(port):
    """A socket on that port, beside others of this process; 0 for any port."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.bind(("127.0.0.1", port))
    return made


def shut(connection):
    """Ends a socket's traffic, and whoever waits for some."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


class Forwarder:
    """Its port stays the same, open or closed: a socket that is bound but does not listen keeps it."""

    def __init__(self, host, port):
        self.target = (host, port)
        self._lock = threading.Lock()
        self._connections = set()
        self._keeper = bound(0)
        self._listener = None
        self.port = self._keeper.getsockname()[1]

    def set_open(self, wanted):
        """Opens it, or refuses new connections and cuts those that are there."""
        with self._lock:
            if wanted == (self._listener is not None):
                return
            if wanted:
                self._listener = bound(self.port)
                self._listener.listen()
                threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()
                return
            shut(self._listener)
            self._listener.close()
            self._listener = None
            for connection in self._connections:
                shut(connection)
            self._connections.clear()

    def end(self):
        """Gives the port back."""
        self.set_open(False)
        self._keeper.close()

    def _accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self._carry, args=(client, listener), daemon=True).start()

    def _carry(self, client, listener):
        with client, socket.socket() as server, contextlib.suppress(OSError):
            server.connect(self.target)
            with self._lock:
                if self._listener is not listener:
                    return
                self._connections |= {client, server}
            back = threading.Thread(target=pump, args=(server, client), daemon=True)
            back.start()
            pump(client, server)
            back.join()
            with self._lock:
                self._connections -= {client, server}


def pump(source, sink):
    """Carries bytes one way until the source ends."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
