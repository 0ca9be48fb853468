# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Disks that fill up, and an engine that has one for itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from daemons import Engine, end, wait_until


class CannotMount(Exception):
    """This machine does not let the tests mount anything."""


class SmallDisk:
    """A directory with a disk of its own, in memory."""

    def __init__(self, directory, mib):
        self.directory = Path(directory)
        self.directory.mkdir(exist_ok=True)
        self._mount("-t", "tmpfs", "-o", f"size={mib}m", "tmpfs")

    def resize(self, free_mib):
        """Leaves so much room beside what it holds."""
        told = os.statvfs(self.directory)
        used = (told.f_blocks - told.f_bfree) * told.f_frsize
        self._mount("-o", f"remount,size={used + (free_mib << 20)}")

    def remove(self):
        subprocess.run(["umount", "--lazy", str(self.directory)], check=True)

    def _mount(self, *arguments):
        done = subprocess.run(
            ["mount", *arguments, str(self.directory)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise CannotMount(done.stderr.strip())


class DockerdOnSmallDisk(Engine):
    """One without networks, beside the one that the tests share."""

    def __init__(self, mib):
        self._directory = Path(tempfile.mkdtemp(prefix="monitml-small-"))
        self.host = f"unix://{self._directory}/s"
        try:
            self.disk = SmallDisk(self._directory / "data", mib)
        except CannotMount:
            shutil.rmtree(self._directory)
            raise

    def start(self):
        command = ["dockerd", "--host", self.host, "--bridge", "none", "--iptables=false"]
        command += ["--ip6tables=false", "--ip-forward=false"]
        for option, name in (("data-root", "data"), ("exec-root", "exec"), ("pidfile", "pid")):
            command += [f"--{option}", str(self._directory / name)]
        (self._directory / "daemon.json").write_text("{}")
        command += ["--config-file", str(self._directory / "daemon.json")]
        log = self._directory / "log"
        with log.open("w") as stream:
            self._process = subprocess.Popen(command, stdout=stream, stderr=stream)
        wait_until(self._answers, self._process, log)
        return self

    def stop(self):
        end(self._process.pid)
        self._process.wait(timeout=30)
        self.disk.remove()
        for line in reversed(Path("/proc/mounts").read_text().splitlines()):
            if line.split()[1].startswith(f"{self._directory}/"):
                subprocess.call(["umount", "--lazy", line.split()[1]])
        shutil.rmtree(self._directory)
