#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Were this to fail: a machine without PostgreSQL's or seccomp's library cannot build XOS at all.
#
# Builds in a folder of its own with both hidden, and looks at what came out.
cd "$(dirname "$0")/../.." || exit 1
dir=$(mktemp -d "${TMPDIR:-/tmp}/xos-optional.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
echo 1..3
# The environment of a make around us would pass its flags on.
unset MAKEFLAGS MFLAGS MAKELEVEL
if make -s -j2 B="$dir" HAVE_PQ= HAVE_SECCOMP= OPT=-O0 HARDEN= "$dir/lib/xos-base.a" \
    "$dir/lib/xos-exec.a" >"$dir/log" 2>&1; then
    echo "ok 1 - it builds without libpq and libseccomp"
else
    sed 's/^/# /' "$dir/log"
    echo "not ok 1 - it builds without libpq and libseccomp"
fi
if nm "$dir"/lib/*.a 2>/dev/null | grep -E ' U (PQ|seccomp_)' >"$dir/uses"; then
    sed 's/^/# /' "$dir/uses"
    echo "not ok 2 - nothing of them is used"
else
    echo "ok 2 - nothing of them is used"
fi
if make -s B="$dir" HAVE_PQ= HAVE_SECCOMP= lacks | grep -q 'libpq.*libseccomp'; then
    echo "ok 3 - the build says what it lacks"
else
    echo "not ok 3 - the build says what it lacks"
fi
