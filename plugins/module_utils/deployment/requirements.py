# Copyright: (c) 2026, the monitml.stack founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which of a model's files its packages are made of: what its requirements.txt names.

Pure functions, on the controller, where neither pip nor uv need be: pip's own reader is private
to it, so its rules are told again here, as its documentation has them (Requirements File Format).
"""

from __future__ import annotations

import posixpath
import re

REQUIREMENTS = "requirements.txt"
PROJECT = "setup.py"
CONDA = "environment.yml"
_ARCHIVES = (".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tbz", ".tar.xz", ".txz", ".tar")
_COMMENT = re.compile(r"(^|\s)#.*$")
# An option that names a file, with its value after a space or =, or a short one's right behind it.
_OPTION = re.compile(r"(--requirement|--constraint|--editable|--find-links)(?:\s*=\s*|\s+)(\S.*)|(-[rcef])\s*=?\s*(\S.*)")
_LONG = {"-r": "--requirement", "-c": "--constraint", "-e": "--editable", "-f": "--find-links"}
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://|(git|hg|svn|bzr)\+")
# name @ address
_ADDRESS = re.compile(r"[A-Za-z0-9._-]+\s*(\[[^\]]*\])?\s*@\s*(\S.*)")


def packages(names, read):
    """What a model brings in packages.

    names: paths of the model's files, read: gives the bytes of one. Returns a dict of
    files: those that its packages are made of; requirements: whether it has a requirements.txt with
    something in it; project: whether it is installed itself, as source-to-image does with a
    setup.py where there are no requirements; editable: whether what is installed goes on needing
    the files; problems: sentences.
    """
    names = set(names)
    found = {"files": set(), "requirements": False, "project": False, "editable": False, "problems": []}
    if REQUIREMENTS in names:
        found["requirements"] = any(lines(read(REQUIREMENTS).decode("utf-8-sig", "replace")))
        _follow(REQUIREMENTS, names, read, found)
    elif PROJECT in names:
        found.update(project=True, files=names)
    return {**found, "files": sorted(found["files"])}


def lines(text):
    """(number, text) of the lines of a requirements file that say something; a \\ goes on with the next."""
    pending, start = "", 0
    for number, line in enumerate(text.splitlines() + [""], start=1):
        start = start if pending else number
        if line.endswith("\\") and not line.lstrip().startswith("#"):
            pending += line[:-1]
            continue
        whole = _COMMENT.sub("", pending + line).strip()
        pending = ""
        if whole:
            yield start, whole


def _follow(path, names, read, found):
    """Adds to found what the requirements file of a path names, and the file itself."""
    if path in found["files"]:
        return
    found["files"].add(path)
    for number, line in lines(read(path).decode("utf-8-sig", "replace")):
        option, word = _named(line)
        if not word:
            continue
        # As for pip: a file of requirements is looked for beside the one that names it, and a
        # package from where pip runs, which is the model's folder.
        beside = posixpath.dirname(path) if option in ("--requirement", "--constraint") else ""
        place = posixpath.normpath(posixpath.join(beside, word))
        below = {name for name in names if place == "." or name.startswith(place + "/")}
        is_file = place in names
        if option == "" and not _looks_local(word, is_file, bool(below)):
            continue
        who = f"{path}, line {number}, names {word}"
        if word.startswith("/") or place.startswith(".."):
            if option != "--find-links":
                found["problems"].append(
                    f"{who}, which lies outside of the model's folder: put it there and name it from there."
                )
        elif option in ("--requirement", "--constraint"):
            if is_file:
                _follow(place, names, read, found)
            else:
                found["problems"].append(f"{who}, and there is no such file in the model's folder: add it, or drop the line.")
        elif is_file or below:
            found["files"].update({place} if is_file else below)
            found["editable"] |= option == "--editable"
        else:
            found["problems"].append(f"{who}, and there is nothing of that name in the model's folder: add it, or drop the line.")


def _named(line):
    """(option, path) that a line names, each '' where it names none; an address on a network is none."""
    match = _OPTION.match(line)
    if match:
        option = match[1] or _LONG[match[3]]
        word = match[2] or match[4]
    elif line.startswith("-"):
        return "", ""
    else:
        address = _ADDRESS.fullmatch(line)
        option, word = "", address[2] if address else line
    word = word.split(" ;")[0].split(" --")[0].strip().strip("\"'")
    if word.startswith("file:"):
        word = word.removeprefix("file:").removeprefix("//")
        option = option or "--package"
    elif _URL.match(word):
        return "", ""
    # acme.whl[extra], ./acme;python_version<"3.12"
    word = re.sub(r"\[[^\]]*\]$", "", word.split(";")[0].strip())
    return option, word


def _looks_local(word, is_file, is_folder):
    """Whether pip would take a requirement for a path and not for the name of a package."""
    if is_folder and ("/" in word or word.startswith(".")):
        return True
    if word.lower().endswith(_ARCHIVES):
        return True
    return word.startswith(("./", "../", "/")) or word in (".", "..")
