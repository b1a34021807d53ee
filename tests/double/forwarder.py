"""A TCP forwarder in front of a server: the double can close it, and every connection through it, at once."""

import contextlib
import socket
import threading


class Forwarder:
    """Its port stays the same, open or closed: a bound socket that does not listen refuses connections."""

    def __init__(self, host, port):
        self.target = (host, port)
        self._lock = threading.Lock()
        self._connections = set()
        self._open = False
        self._ended = False
        self._may_accept = threading.Event()
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def set_open(self, wanted):
        """Opens it, or refuses new connections and cuts those that are there."""
        with self._lock:
            if wanted == self._open or self._ended:
                return
            self._open = wanted
            if wanted:
                self._listener.listen()
                self._may_accept.set()
                return
            self._may_accept.clear()
            # Ends the listening, keeps the port, and wakes whoever waits in accept.
            self._listener.shutdown(socket.SHUT_RDWR)
            self._cut()

    def end(self):
        """Gives the port back."""
        self.set_open(False)
        with self._lock:
            self._ended = True
            self._listener.close()
            self._may_accept.set()

    def _cut(self):
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._connections.clear()

    def _accept(self):
        while True:
            self._may_accept.wait()
            if self._ended:
                return
            with contextlib.suppress(OSError):
                client, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client):
        with client, socket.socket() as server:
            with contextlib.suppress(OSError):
                server.connect(self.target)
                with self._lock:
                    if not self._open:
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
