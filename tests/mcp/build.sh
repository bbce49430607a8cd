#!/usr/bin/env bash
# The client that tests/mcp.py asks with, from npm, once.
set -euo pipefail
cd "$(dirname "$0")"
cache=$PWD/../../build/cache/mcp
cmp -s package.json "$cache/package.json" && [ -e "$cache/.done" ] && exit 0
rm -rf "$cache"
mkdir -p "$cache"
cp package.json "$cache/"
(cd "$cache" && npm install --silent --no-audit --no-fund --ignore-scripts)
touch "$cache/.done"
