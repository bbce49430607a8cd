#!/usr/bin/env bash
# Puts what is installed into a directory, with install.sh: stage.sh ZEROBOOT DIR
set -euo pipefail
cd "$(dirname "$0")/.."
rm -rf "$2"
mkdir -p "$2"
install -m 755 "$1" "$2/zeroboot"
"$1" manual >"$2/zeroboot.1"
"$1" completion bash >"$2/zeroboot.bash"
"$1" completion zsh >"$2/_zeroboot"
cp deploy/zeroboot.{service,socket} deploy/sysusers.conf deploy/install.sh README.md CHANGES.md CONTRIBUTING.md SECURITY.md LICENSE "$2"
# What these refer to.
mkdir "$2/docs" "$2/deploy"
cp docs/*.md "$2/docs"
cp deploy/{Containerfile,alerts.yml,fleet.sh,grafana.json,haproxy.cfg,kubernetes.yaml,nginx.conf,zeroboot.nomad.hcl,zeroboot.service,zeroboot.socket} "$2/deploy"
