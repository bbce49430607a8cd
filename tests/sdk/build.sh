#!/usr/bin/env bash
# What tests/sdk.py builds the Node package with, from npm, once: that package's own
# development dependencies.
set -euo pipefail
cd "$(dirname "$0")/../../sdk/node"
cache=$PWD/../../build/cache/sdk
cmp -s package.json "$cache/package.json" && [ -e "$cache/.done" ] && exit 0
rm -rf "$cache"
mkdir -p "$cache"
cp package.json "$cache/"
(cd "$cache" && npm install --silent --no-audit --no-fund --ignore-scripts)
touch "$cache/.done"
