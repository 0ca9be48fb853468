# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Credentials of a registry: as given, or as a login left them in Docker's configuration.

What the configuration means, credential helpers included, is left to the Docker SDK for Python;
reading the file is not, because the SDK takes a broken one for an empty one.
"""

from __future__ import annotations

import json
import os

from .errors import ImageError
from .registry import Credentials

try:
    import docker.auth
    import docker.errors
except ImportError:
    docker = None


def given(username, password, password_file):
    """Credentials of a module's options; None where there are none. Raises ImageError."""
    if password_file:
        password = _text(password_file, "password_file").rstrip("\r\n")
        if not password:
            raise ImageError("password_file is %s, which is empty." % password_file)
    if not username:
        return None
    return Credentials(username, password or "")


def configured(registry, path):
    """Credentials that Docker's configuration has for an ImageName's registry, or empty ones.

    path is that of the configuration; "" is the one that Docker itself would read, which need not
    be there. Raises ImageError.
    """
    file = path or _default_path()
    if not path and not os.path.exists(file):
        return Credentials()
    try:
        config = json.loads(_text(file, "config_path"))
    except ValueError as error:
        raise _broken(file, error) from error
    if not isinstance(config, dict):
        raise _broken(file, "it is no object")
    kept = {key: config[key] for key in ("auths", "credsStore", "credHelpers") if config.get(key)}
    if not kept:
        return Credentials()
    try:
        found = docker.auth.load_config(config_dict=kept).resolve_authconfig(registry.registry)
    except docker.errors.DockerException as error:
        raise _broken(file, error) from error
    except (ValueError, AttributeError, TypeError) as error:
        # What is decoded there is a password, so the error's own words stay here.
        raise _broken(file, "an entry of auths is not what a login writes") from error
    return _credentials(found or {})


def _credentials(found):
    """Of an entry of the SDK, which writes the keys of helpers with capitals."""
    entry = {key.lower(): value for key, value in found.items()}
    return Credentials(
        entry.get("username") or "", entry.get("password") or "", entry.get("identitytoken") or ""
    )


def _default_path():
    directory = os.environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker")
    return os.path.join(directory, "config.json")


def _text(path, option):
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except OSError as error:
        raise ImageError(
            "%s is %s, which cannot be read: %s." % (option, path, error.strerror)
        ) from error
    except UnicodeDecodeError as error:
        raise ImageError("%s is %s, which is no text in UTF-8." % (option, path)) from error


def _broken(path, why):
    return ImageError(
        "The Docker configuration %s cannot be used (%s): log in anew, or name another as "
        "config_path." % (path, str(why).rstrip("."))
    )
