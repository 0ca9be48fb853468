#!/usr/bin/env bash
# Runs ansible-test sanity on a copy of the tree: it wants a real directory named after the
# collection, which a checkout with its link back to itself is not. Arguments go to ansible-test.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
work=$root/.cache/sanity
copy=$work/ansible_collections/monitml/stack
packages=$(python3 -c 'import ansible_collections, os; print(os.path.dirname(list(ansible_collections.__path__)[0]))' 2>/dev/null ||
    python3 -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')

mkdir -p "$work/home/.ansible/test/cache"
# One run at a time: a second one would take away the copy that the first works on.
exec 9>"$work/lock"
flock 9
rm -rf "$work/ansible_collections"
mkdir -p "$copy"
git -C "$root" ls-files -z --cached --others --exclude-standard -- ':!.collections' |
    while IFS= read -r -d '' file; do
        test -f "$root/$file" && printf '%s\0' "$file"
    done | tar --directory "$root" --null --files-from - --create | tar --directory "$copy" --extract
# The collections that ours uses, so that its modules can be imported.
ln -s "$packages"/ansible_collections/{amazon,community,kubernetes} "$work/ansible_collections/"
git -C "$copy" init --quiet
git -C "$copy" add --all

# ansible-test fetches pip from the network unless it finds it here; Python brings its own.
cat >"$work/home/.ansible/test/cache/get_pip_24_2.py" <<'PYTHON'
import subprocess
import sys

subprocess.check_call([sys.executable, "-I", "-m", "ensurepip"], stdout=subprocess.DEVNULL)
wanted = [word for word in sys.argv[1:] if not word.startswith("--no-")]
subprocess.check_call([sys.executable, "-I", "-m", "pip", "install", "--quiet", *wanted])
PYTHON

cd "$copy"
export PIP_CACHE_DIR=${PIP_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/pip}
HOME=$work/home exec ansible-test sanity --venv --python "$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')" "$@"
