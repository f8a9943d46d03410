#!/usr/bin/env bash
# What `npm pack --json` prints is a list up to npm 11, and an object by package name in npm 12.
#
# npm 11.19.1, npm 12.2.2. Scripts that release a package read `JSON.parse(out)[0].filename`. With npm 12 the same command
# succeeds, and `[0]` is undefined: the packages are the values of an object, each under its own name. `Object.values(...)`
# reads both. A package called `0` cannot be mistaken for the list.
#
# Needs: node (22 or newer, for npm 12), npm. Installs into a temporary folder; packs an empty package of its own, publishes nothing.
set -euo pipefail
dir=$(mktemp -d); cd "$dir"
trap 'rm -rf "$dir"' EXIT
npm init -y >/dev/null
npm install --silent --no-audit --no-fund npm11@npm:npm@11.19.1 npm12@npm:npm@12.2.2 >/dev/null
mkdir package && cd package
echo '{"name":"@scope/empty","version":"1.0.0"}' >package.json
for major in 11 12; do
  version=$(node "../node_modules/npm$major/bin/npm-cli.js" --version 2>/dev/null)
  node "../node_modules/npm$major/bin/npm-cli.js" pack --dry-run --json 2>/dev/null >"../$major.json"
  echo "npm $version: $(node -p '
    const out = JSON.parse(require("fs").readFileSync(process.argv[1], "utf8"));
    `${Array.isArray(out) ? "a list" : `an object of ${Object.keys(out)}`}, [0] is ${out[0]?.filename}, the first value ${Object.values(out)[0].filename}`
  ' "../$major.json")"
done | tee ../out.txt
expected='npm 11.19.1: a list, [0] is scope-empty-1.0.0.tgz, the first value scope-empty-1.0.0.tgz
npm 12.2.2: an object of @scope/empty, [0] is undefined, the first value scope-empty-1.0.0.tgz'
[ "$(cat ../out.txt)" = "$expected" ] || { echo "changed: expected"; echo "$expected"; exit 1; }
echo "as found"
