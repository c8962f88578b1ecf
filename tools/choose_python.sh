#!/usr/bin/env bash
# Print the path of the Python that `make install` takes, and on stderr which it is and why.
#
#     tools/choose_python.sh [PATH]
#
# PATH, which `make install PYTHON=PATH` gives, is taken if the engine runs on it. Otherwise the
# candidates are the Pythons on PATH, of pyenv, of uv and in /usr. All are measured, which takes
# about 0.1 s each: an optimised build serves up to 1.3 times the requests of a plain one. The
# first of them wins, unless another is more than a tenth faster.
set -euo pipefail
shopt -s nullglob

no_venv='has no module venv or ensurepip (on Debian: apt install python3-venv)'
probe=$(dirname "$0")/python_probe.py
say() { echo "make: $*" >&2; }

candidates() {
    local name uv=${UV_PYTHON_INSTALL_DIR:-${XDG_DATA_HOME:-${HOME:-}/.local/share}/uv/python}
    for name in python3 python3.13 python3.12 python3.11; do
        type -aP "$name" || true
    done
    printf '%s\n' "${PYENV_ROOT:-${HOME:-}/.pyenv}"/versions/3.1[123].*/bin/python3 \
        "$uv"/cpython-3.1[123]*/bin/python3 \
        /usr/local/bin/python3 /usr/bin/python3
}

refuse() {
    say "$1"
    say 'install one (apt install python3 python3-venv, or uv python install 3.12), or name one:'
    say 'make install PYTHON=/path/to/python3'
    exit 1
}

if [ -n "${1:-}" ]; then
    found=$("$1" "$probe" 2>/dev/null) && status=0 || status=$?
    [ -n "$found" ] || [ "$status" != 0 ] || status=1
    case $status in
        0) ;;
        3) refuse "PYTHON=$1 is $("$1" --version 2>&1); the engine needs Python 3.11 to 3.13." ;;
        4) refuse "PYTHON=$1 $no_venv." ;;
        *) refuse "PYTHON=$1 is not a Python that runs." ;;
    esac
else
    found='' without_venv='' seen=:
    while read -r candidate; do
        real=$(readlink -f "$candidate") || continue
        case $seen in *":$real:"*) continue ;; esac
        # A shim of pyenv is one program for every version; it ends with an error for most.
        case $candidate in */shims/*) ;; *) seen+="$real:" ;; esac
        line=$("$candidate" "$probe" 2>/dev/null </dev/null) && status=0 || status=$?
        if [ "$status" = 0 ]; then
            found+="$line"$'\n'
        elif [ "$status" = 4 ]; then
            without_venv=$candidate
            say "passing over $candidate: it $no_venv"
        fi
    done < <(candidates)
    if [ -z "$found" ]; then
        [ -z "$without_venv" ] || refuse 'no Python here can create a virtual environment.'
        refuse 'found no Python from 3.11 to 3.13, which the engine needs.'
    fi
fi

first=${found%%$'\t'*}
"$first" "$probe" --choose <<<"$found"
