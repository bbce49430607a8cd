#!/usr/bin/env bash
# sdk/build.sh DIR: both packages, made in DIR of copies of their sources.
set -euo pipefail
mkdir -p "$1"
to=$(cd "$1" && pwd)
cd "$(dirname "$0")"
top=$PWD/..
"$top/tests/sdk/build.sh"
rm -rf "$to/source" "$to"/zeroboot*
mkdir "$to/source"
cp -r python node "$to/source/"
# Not over the network: what builds is there.
(cd "$to/source/python" && /usr/bin/python3 -m build --no-isolation --outdir "$to" . >"$to/python.log" 2>&1) || {
	cat "$to/python.log" >&2
	exit 1
}
ln -s "$top/build/cache/sdk/node_modules" "$to/source/node/node_modules"
(cd "$to/source/node" && npm pack --silent --offline --pack-destination "$to" >/dev/null)
