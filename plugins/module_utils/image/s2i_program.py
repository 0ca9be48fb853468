# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The s2i program: the only place that runs it.

It ends with 0 also where it did not like its arguments and built nothing, so whoever calls it has
to look at the image.
"""

from __future__ import annotations

import os
import select
import subprocess
import tempfile

from .errors import ImageError, tail


class S2i:
    """The program at a path, for one engine. seconds is how long it may say nothing."""

    def __init__(self, path, host, seconds):
        self._path, self._host, self._seconds = path, host, seconds

    def build(self, source, builder, name, network, binds, log):
        """Has it build a Source, with binds mounted that stay out of the image.

        Gives each line that it says to log(str). Returns (exit code, what it said, cut to what
        tells why). Raises ImageError where it cannot be run or hangs.
        """
        with tempfile.TemporaryDirectory(prefix="monitml-s2i-") as work:
            # Not the folder itself: what is built is what was looked at, and s2i takes what
            # follows a # in a path for the name of a branch.
            folder, environment = os.path.join(work, "source"), os.path.join(work, "environment")
            _write(folder, source.files)
            with open(environment, "w", encoding="utf-8") as stream:
                stream.writelines("%s=%s\n" % item for item in sorted(source.environment.items()))
            # --copy: without it s2i clones.
            command = [self._path, "build", folder, builder, name, "--copy"]
            command += ["--pull-policy", "if-not-present", "--network", network]
            command += ["--environment-file", environment]
            command += [word for bind in binds for word in ("--volume", bind)]
            code, lines = self._run(command, log)
        return code, reason(lines)

    def _run(self, command, log):
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**os.environ, "DOCKER_HOST": self._host},
            )
        except OSError as error:
            raise ImageError(
                "The program %s cannot be run: %s." % (self._path, error.strerror)
            ) from error
        with process:
            try:
                lines = self._follow(process.stdout, log)
            except BaseException:
                # It takes its container away before it ends.
                process.terminate()
                raise
        return process.returncode, lines

    def _follow(self, stream, log):
        """All lines, as they come."""
        lines, rest = [], b""
        while True:
            if not select.select([stream], [], [], self._seconds)[0]:
                raise ImageError(
                    "s2i has said nothing for %d s and was stopped: raise timeout_seconds, or see what it waits for."
                    % self._seconds
                )
            block = os.read(stream.fileno(), 1 << 16)
            *whole, rest = (rest + block).split(b"\n")
            if not block and rest:
                whole, rest = [rest], b""
            for line in whole:
                lines.append(line.decode("utf-8", "replace").rstrip("\r"))
                log(lines[-1])
            if not block:
                return lines


def _write(folder, files):
    os.mkdir(folder)
    for path, (mode, content) in files.items():
        place = os.path.join(folder, path)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "wb") as stream:
            stream.write(content)
        os.chmod(place, 0o755 if mode & 0o111 else 0o644)


def reason(lines):
    """The last of what it said; where it refuses arguments, what stands above its help."""
    usage = lines.index("Usage:") if "Usage:" in lines else len(lines)
    return tail("\n".join(lines[:usage]))
