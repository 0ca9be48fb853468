# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A private index of packages on loopback, with a CA and a password of its own; and wheels for it."""

from __future__ import annotations

import base64
import hashlib
import ssl
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from certificates import make_certificates

USER, PASSWORD = "reader", "pass-word-40f1"


def make_wheel(directory, name="monitml_acme", version="1.0", requires=(), code="ANSWER = 42\n"):
    """Path of a wheel of one module, called as nothing on public indexes is, that is made in a directory."""
    directory.mkdir(parents=True, exist_ok=True)
    about = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {one}\n" for one in requires)
    files = {
        f"{name}.py": code,
        f"{about}/METADATA": metadata,
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
        record += f"{path},sha256={digest},{len(text)}\n"
    files[f"{about}/RECORD"] = record + f"{about}/RECORD,,\n"
    path = directory / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inside, text in files.items():
            archive.writestr(inside, text)
    return path


class PrivateIndex:
    """Serves the wheels of a directory as PEP 503 has it, to whoever knows the password.

    asked: paths of requests that were answered.
    """

    def __init__(self, directory, host="127.0.0.1"):
        index = self
        self.directory, self.asked = directory, []
        make_certificates(directory, host)
        self.ca_file = directory / "ca.crt"
        known = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                if self.headers.get("Authorization") != known:
                    self.answer(401, b"who are you?", ("WWW-Authenticate", 'Basic realm="test"'))
                    return
                index.asked.append(self.path)
                name = self.path.strip("/").rpartition("/")[2]
                wheel = directory / name
                wheels = sorted(one.name for one in directory.glob(name.replace("-", "_") + "-*.whl"))
                if wheel.suffix == ".whl" and wheel.exists():
                    self.answer(200, wheel.read_bytes(), ("Content-Type", "application/octet-stream"))
                elif wheels:
                    links = "".join(f'<a href="/files/{one}">{one}</a>' for one in wheels)
                    self.answer(200, f"<html><body>{links}</body></html>".encode(), ("Content-Type", "text/html"))
                else:
                    self.answer(404, b"none")

            do_HEAD = do_GET

            def answer(self, status, body, *headers):
                self.send_response(status)
                for name, value in (*headers, ("Content-Length", str(len(body)))):
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def log_message(self, *_arguments):
                pass

        self._server = ThreadingHTTPServer((host, 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(directory / "server.crt", directory / "server.key")
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.address = f"{host}:{self._server.server_port}"

    def url(self, user=""):
        return f"https://{user + '@' if user else ''}{self.address}/simple"

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
