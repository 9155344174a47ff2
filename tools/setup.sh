#!/bin/sh
# Builds the environment that the course runs in:  sh tools/setup.sh [FOLDER]   (FOLDER: .venv)
#
# A new FOLDER becomes a virtual environment with Python 3.11. An environment that is there already
# (a conda environment, Binder's) is filled. Every version comes from requirements.txt, and nothing
# is installed that is not in it: `--no-deps` keeps PyTorch from bringing several GB of CUDA along.
# FOLDER/.course-ready says that all went well; what was interrupted is built anew the next time.
set -eu
cd "$(dirname "$0")/.."

environment=${1:-.venv}
python=$environment/bin/python
log=.cache/setup.log
child=

say() { printf '%s\n' "$*"; }

# fail SENTENCE: what pip or uv said last, then the sentence, then the end.
fail() {
    [ ! -s "$log" ] || grep -v 'is ignored: it is neither a file nor a directory' "$log" | tail -n 12 >&2
    if grep -q 'No space left on device' "$log" 2>/dev/null; then
        set -- "The disk is full: make room (the environment takes about 5 GB), then run the same command again."
    fi
    printf '\n%s\n' "$*" >&2
    exit 1
}

tidy() {
    [ -z "$child" ] || kill "$child" 2>/dev/null || true
    rm -rf .cache/bootstrap .cache/tmp .cache/requirements-without-torch.txt
}
trap tidy EXIT
trap 'exit 130' INT TERM HUP

# logged COMMAND...: its output goes to the log; it ends when this script is interrupted.
logged() {
    printf '+ %s\n' "$*" >>"$log"
    "$@" >>"$log" 2>&1 </dev/null &
    child=$!
    status=0
    if [ -t 1 ]; then show_progress; fi
    wait "$child" || status=$?
    child=
    return "$status"
}

# Says, while the child works, how many of the packages pip has in hand.
show_progress() {
    while kill -0 "$child" 2>/dev/null; do
        seen=$(grep -cE '^(Collecting|Requirement already satisfied)' "$log" || true)
        [ "$seen" -eq 0 ] || printf '\r      %s of %s packages ' "$seen" "$packages"
        sleep 1
    done
    printf '\r                                \r'
}

pip_install() { logged "$python" -m pip --disable-pip-version-check install --no-deps "$@"; }

version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }

works() { [ -x "$python" ] && "$python" -m pip --version >/dev/null 2>&1 && [ "$(version_of "$python")" = 3.11 ]; }

# The environment needs room: better to say so now than after ten minutes of downloads.
check_room() {
    needed=6000
    [ ! -d "$environment" ] || needed=$((needed - $(du -sk "$environment" | awk '{print int($1 / 1024)}')))
    free=$(df -Pk . | awk 'NR == 2 {print int($4 / 1024)}')
    if [ "$free" -lt "$needed" ]; then
        : >"$log"
        fail "The disk has $free MB free and the environment needs $needed MB: make room, then run the same command again."
    fi
}

# Makes the virtual environment with a Python 3.11 of this machine, or else with one that uv brings.
create() {
    found=
    for candidate in python3.11 python3 python; do
        command -v "$candidate" >/dev/null 2>&1 || continue
        version=$(version_of "$candidate") || continue
        found="$found${found:+, }$candidate is $version"
        if [ "$version" = 3.11 ] && "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
            mkdir -p "$environment"
            touch "$environment/.course-made"
            logged "$candidate" -m venv "$environment" && return
        fi
    done
    say "      No usable Python 3.11 here (${found:-no Python at all}): uv is asked to bring it."
    mkdir -p "$environment"
    touch "$environment/.course-made"
    if uv=$(find_uv) && logged "$uv" venv --quiet --allow-existing --python 3.11 --seed "$environment"; then
        return
    fi
    rm -rf "$environment"
    fail "This course needs Python 3.11 with its venv module; here, ${found:-there is no Python}, and uv could not" \
        "bring it. Install Python 3.11 (Debian and Ubuntu: also python3.11-venv), then run the same command again."
}

# The uv on this machine, or one from the package index in a place of its own.
find_uv() {
    command -v uv && return
    for candidate in python3 python; do
        "$candidate" -m venv .cache/bootstrap >>"$log" 2>&1 || continue
        .cache/bootstrap/bin/python -m pip install uv >>"$log" 2>&1 || continue
        printf '%s\n' .cache/bootstrap/bin/uv
        return
    done
    return 1
}

# PyTorch's CPU build: on Linux plain "torch" is the CUDA one, so it has to be asked for by name.
install_torch() {
    torch=$(sed -n 's/^torch==\([0-9.]*\).*/\1/p' requirements.txt)
    present=$("$python" -c 'from importlib.metadata import version; print(version("torch"))' 2>/dev/null || true)
    [ "${present%%+*}" != "$torch" ] || return 0
    if [ "$(uname -s)" != Linux ]; then
        pip_install "torch==$torch" && return
    elif pip_install "torch==$torch+cpu"; then
        return
    elif logged "$python" -m uv pip install --python "$python" --no-deps --torch-backend cpu "torch==$torch"; then
        return
    fi
    needing=$(grep -rlE '^ *(import|from) torch' lessons course_lib --include='*.py' 2>/dev/null | tr '\n' ' ')
    say "      PyTorch's CPU build can't be reached, so the course goes on without it. What needs it here:" \
        "${needing:-nothing yet}. To add it later: sh tools/setup.sh $environment"
}

# The packages must agree with each other; a PyTorch that is left out is the one thing that may be missing.
# In an environment of somebody else's making, what was there before may be at odds with the lock.
check_packages() {
    status=0
    said=$("$python" -m pip check 2>>"$log") || status=$?
    # 0: all agree; 1, with a line for each: they don't. Anything else is no answer.
    if [ -z "$said" ] || [ "$status" -gt 1 ]; then
        fail "pip could not compare the packages with each other (its status: $status; the whole story: $log)."
    fi
    contradictions=$(printf '%s\n' "$said" | sed -e '/^No broken/d' -e '/requires torch/d')
    [ -n "$contradictions" ] || return 0
    [ ! -e "$environment/.course-made" ] || fail "The packages contradict each other: $contradictions"
    say "      What was in $environment before does not fit the course's packages: $contradictions"
}

mkdir -p .cache/tmp
TMPDIR=$PWD/.cache/tmp
export TMPDIR
: >"$log"
packages=$(grep -c '^[a-zA-Z]' requirements.txt)

# The environment that another copy of the course made for itself is not this one's to change.
owner=$(cat "$environment/.course-ready" 2>/dev/null || true)
if [ -e "$environment/.course-made" ] && [ "$owner" != "$(pwd -P)" ] && [ -e "$owner/tools/setup.sh" ]; then
    case $(cd "$environment" && pwd -P) in
        "$(pwd -P)"/*) ;; # this folder is a copy of that one, with its environment in it
        *) : >"$log"
           fail "$environment belongs to the course in $owner: name another folder, or remove that one first." ;;
    esac
fi

# Only what this script made is ever thrown away: unfinished, moved, or with its Python gone.
if [ -e "$environment/.course-made" ]; then
    if [ "$(cat "$environment/.course-ready" 2>/dev/null)" != "$(pwd -P)" ] || ! works; then
        rm -rf "$environment"
    fi
fi
check_room
rm -f "$environment/.course-ready"

if works; then
    say "Bringing $environment up to date with requirements.txt."
else
    say "Setting up the course in $environment (once; a few minutes, about 5 GB)."
fi
say "1/4   Python 3.11"
works || create
works || fail "$environment holds no working Python 3.11 with pip: remove that folder, then run the same command again."
say "2/4   $packages packages of exactly the versions in requirements.txt"
grep -v '^torch==' requirements.txt >.cache/requirements-without-torch.txt
pip_install -r .cache/requirements-without-torch.txt ||
    fail "The packages could not be installed (the whole story: $log): check the network, then run the same command again."
say "3/4   PyTorch, the CPU build"
: >"$log"
install_torch
say "4/4   course_lib and the course command"
pip_install --no-build-isolation -e . ||
    fail "course_lib could not be installed (the whole story: $log)."
check_packages
pwd -P >"$environment/.course-ready"
say "Ready."
