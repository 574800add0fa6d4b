#!/bin/sh
# The Debian packages that it takes to compile for the interpreter given: see tests/system_packages.sh.
set -eu

missing=""
command -v cc >/dev/null 2>&1 || missing="gcc libc6-dev"
"$1" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' ||
    missing="$missing python3-dev"
[ -n "$missing" ] || exit 0
# shellcheck disable=SC2086 # a list of packages
exec sh "$(dirname "$0")/system_packages.sh" $missing
