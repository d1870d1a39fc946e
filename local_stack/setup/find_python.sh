#!/bin/sh
# Prints the version and the program of a supported Python, such as "3.12.1 /usr/bin/python3.12".
# Arguments: 1. a version (3.12) or a program; '' for the newest on this machine
#            2. a program to prefer if it fits: the one behind .venv
# Exit code 1: this machine has none. 2: the requested one cannot be used. stderr has the reason.
set -eu
requested=${1:-} preferred=${2:-}
range=$(sed -n 's/^requires-python = ">=3\.\([0-9]*\),<3\.\([0-9]*\)".*/\1 \2/p' "$(dirname "$0")/../../pyproject.toml")
lowest=${range% *} newest=$((${range#* } - 1))

supported="$(seq "$lowest" $((newest - 1)) | sed 's/^/3./; s/$/,/' | tr '\n' ' ')or 3.$newest"

refuse() {
    echo "[ERROR] PYTHON=$requested: $1. StreamFlow needs Python $supported: make run PYTHON=3.$newest" >&2
    exit 2
}

# Prints the Python behind a program (a shim, a link, an environment's): version, flaw or "-", program.
# The code runs on old Pythons too.
behind() {
    "$1" -c '
import os, sys
flaw = "-"
try:
    import ensurepip, venv
except ImportError:
    flaw = "without-venv"
if getattr(getattr(sys, "implementation", None), "name", "") != "cpython":
    flaw = "not-CPython"
elif "t" in getattr(sys, "abiflags", ""):
    flaw = "free-threaded"
elif sys.version_info[3] != "final":
    flaw = "pre-release"
program = os.path.join(getattr(sys, "base_prefix", sys.prefix), "bin", "python%d.%d" % sys.version_info[:2])
print(" ".join(["%d.%d.%d" % sys.version_info[:3], flaw, program if os.path.exists(program) else sys.executable]))
' 2>/dev/null </dev/null
}

is_supported() { # 3.12 or 3.12.1; sets minor
    case $1 in 3.[0-9]*) minor=${1#3.} minor=${minor%%.*} ;; *) return 1 ;; esac
    [ "$minor" -ge "$lowest" ] && [ "$minor" -le "$newest" ]
}

programs() { # the paths where a Python 3.$1 may be, the likeliest first
    [ -z "$preferred" ] || echo "$preferred"
    echo "$PATH" | tr : '\n' | sed "s|\$|/python3.$1|"
    pyenv=${PYENV_ROOT:-${HOME:-}/.pyenv}/versions
    uv=${UV_PYTHON_INSTALL_DIR:-${XDG_DATA_HOME:-${HOME:-}/.local/share}/uv/python}
    ls -d "$pyenv/3.$1".*/bin/"python3.$1" "$uv/cpython-3.$1".*/bin/"python3.$1" 2>/dev/null | sort -rV || true
    echo "$PATH" | tr : '\n' | sed 's|$|/python3|'
}

first_of() { # the first program on stdin that is a Python $1 without a flaw
    while read -r program; do
        [ -f "$program" ] && [ -x "$program" ] && answer=$(behind "$program") || continue
        version=${answer%% *} answer=${answer#* }
        case $version in "$1" | "$1".*) [ "${answer%% *}" != - ] || { echo "$version ${answer#* }"; return 0; } ;; esac
    done
    return 1
}

not_found() { # exits with code 1: no Python $1
    answer=$(behind python3 || true) version=${answer%% *} flaw=${answer#* } flaw=${flaw%% *}
    [ "$flaw" != - ] || flaw=
    echo "There is no Python $1 on this machine${answer:+ (python3 is $version${flaw:+, $flaw})}" >&2
    exit 1
}

named() { # prints the requested program, or exits with the reason
    program=$(command -v "$requested") || refuse "there is no such program or version"
    answer=$(behind "$program") || refuse "this program is not a Python"
    version=${answer%% *} answer=${answer#* }
    is_supported "$version" || refuse "this is Python $version"
    case ${answer%% *} in
        -) echo "$version ${answer#* }" ;;
        without-venv) refuse "it has no venv (Debian and Ubuntu: apt-get install python3-venv)" ;;
        *) refuse "this is Python $version, ${answer%% *}" ;;
    esac
}

number=${requested#python}
case $number in
    '' | 3 | *[!0-9.]*) [ -z "$requested" ] || [ "$requested" = 3 ] || { named; exit; } ;;
    *)
        is_supported "$number" || refuse "Python $number is not supported"
        programs "$minor" | first_of "$number" && exit
        not_found "$number"
        ;;
esac
if [ -n "$preferred" ] && answer=$(echo "$preferred" | first_of 3) && is_supported "${answer%% *}"; then
    echo "$answer"
    exit
fi
for minor in $(seq "$newest" -1 "$lowest"); do
    programs "$minor" | first_of "3.$minor" && exit
done
not_found "$supported"
