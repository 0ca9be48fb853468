# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A stub of a model behind a gateway, on a loopback port, well and badly behaved.

The path of the url says how it behaves; see the functions named after the paths. Under any other it predicts.
"""

from __future__ import annotations

import itertools
import json
import random
import socket
import socketserver
import struct
import threading
import time


def seldon(value, predictor="good"):
    return json.dumps(
        {
            "data": {"names": [], "ndarray": [value]},
            "meta": {"requestPath": {predictor: "housing-%s:0.1" % predictor}},
        }
    ).encode()


def answer(body, status="200 OK", headers=()):
    lines = ["HTTP/1.1 " + status, "Content-Length: %d" % len(body), *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Stub(socketserver.ThreadingTCPServer):
    """``requests`` holds (path, head, body) of all that came; ``accepted`` counts connections."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 256

    def __init__(self, address=("127.0.0.1", 0), context=None):
        self.requests = []
        self.accepted = 0
        self.numbers = itertools.count()
        self.context = context
        self.open = set()
        super().__init__(address, Handler)
        self.thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    @property
    def port(self):
        return self.server_address[1]

    def url(self, path="/predict", scheme="http"):
        return "%s://127.0.0.1:%d%s" % (scheme, self.port, path)

    def kill(self):
        """Goes away as a killed process does: no listener, every connection reset."""
        self.shutdown()
        self.server_close()
        for connection in list(self.open):
            reset(connection)

    def handle_error(self, request, client_address):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_args):
        self.kill()


def reset(connection):
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    except OSError:
        pass


class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        self.server.accepted += 1
        if self.server.context:
            self.request = self.server.context.wrap_socket(self.request, server_side=True)
        self.server.open.add(self.request)
        data = b""
        try:
            while True:
                while b"\r\n\r\n" not in data:
                    data += self.receive()
                head, _empty, data = data.partition(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                while len(data) < length:
                    data += self.receive()
                path = head.split()[1].decode()
                self.server.requests.append((path, head.decode(), data[:length].decode()))
                data = data[length:]
                behave = getattr(self, path.strip("/").replace("/", "_"), self.predict)
                if not behave(next(self.server.numbers)):
                    return
        except (OSError, EOFError):
            pass
        finally:
            self.server.open.discard(self.request)

    def receive(self):
        data = self.request.recv(65536)
        if not data:
            raise EOFError
        return data

    def send(self, data):
        self.request.sendall(data)
        return True

    # Behaviours; each returns whether the connection stays open.

    def predict(self, number):
        """Three of four by the good model, as the gateway's headers say."""
        name, version, value = ("bad", "v2", 100.0) if number % 4 == 3 else ("good", "v1", 500000.0)
        return self.send(
            answer(
                seldon(value, "x"),
                headers=("X-Monitml-Predictor: " + name, "x-monitml-version: " + version),
            )
        )

    def body(self, number):
        """Only the body says who answered."""
        return self.send(answer(seldon(float(number))))

    def noname(self, _number):
        return self.send(answer(b'{"data":{"ndarray":[1.5]}}'))

    def v2(self, _number):
        return self.send(
            answer(b'{"model_name":"m","model_version":"7","outputs":[{"name":"p","data":[2.5]}]}')
        )

    def feedback(self, _number):
        return self.send(answer(b'{"meta":{"requestPath":{"good":"housing-good:0.1"}}}'))

    def chunked(self, number):
        body = seldon(float(number))
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:7], body[7:]))
        return self.send(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
        )

    def close(self, number):
        self.send(answer(seldon(float(number)), headers=("Connection: close",)))

    def untilclose(self, number):
        self.send(b"HTTP/1.0 200 OK\r\n\r\n" + seldon(float(number)))

    def silentclose(self, number):
        """Promises to keep the connection and does not."""
        self.send(answer(seldon(float(number))))

    def continued(self, number):
        return self.send(b"HTTP/1.1 100 Continue\r\n\r\n" + answer(seldon(float(number))))

    def pieces(self, number):
        """An answer that comes byte by byte."""
        for byte in answer(seldon(float(number))):
            self.send(bytes([byte]))
        return True

    def large(self, _number):
        return self.send(answer(json.dumps({"data": {"ndarray": [1.0] * 200000}}).encode()))

    def error500(self, _number):
        return self.send(answer(b"no", "500 Internal Server Error"))

    def error404(self, _number):
        return self.send(answer(b"no", "404 Not Found"))

    def alike(self, number):
        """Half of them fail, in as many bytes as an answer has."""
        return self.send(answer(seldon(1.5), "500 No" if number % 2 else "200 OK"))

    def redirect(self, _number):
        return self.send(answer(b"", "302 Found", ("Location: http://198.51.100.1/",)))

    def html(self, _number):
        return self.send(answer(b"<html>login</html>"))

    def nan(self, _number):
        return self.send(answer(b'{"data":{"ndarray":[NaN]}}'))

    def garbage(self, _number):
        return self.send(b"\x00\xff garbage \r\n\r\n" * 3)

    def extra(self, number):
        return self.send(answer(seldon(float(number))) + b"and more")

    def cut(self, number):
        self.send(answer(seldon(float(number)))[:-5])

    def reset(self, number):
        self.send(answer(seldon(float(number)))[:-5])
        time.sleep(0.01)
        reset(self.request)

    def hang(self, _number):
        time.sleep(2)

    def drip(self, number):
        """A slow loris: a byte now and then, never done in time."""
        for byte in answer(seldon(float(number))):
            self.send(bytes([byte]))
            time.sleep(0.05)
        return True

    def fuzz(self, number):
        """Whole answers, broken ones and noise, in pieces, with or without an end."""
        rng = random.Random(number)
        data = bytearray(answer(seldon(float(number)), headers=("Connection: keep-alive",)))
        for _each in range(rng.choice([0, 0, 1, 3])):
            data[rng.randrange(len(data))] = rng.randrange(256)
        data = bytes(data[: rng.choice([len(data), len(data), rng.randrange(len(data))])])
        at = rng.randrange(len(data) + 1)
        self.send(data[:at])
        self.send(data[at:])
        return rng.random() < 0.5

    def slow(self, number):
        time.sleep(0.02)
        return self.body(number)
