#!/usr/bin/env bash
# Build the Dockerfile without Docker and without a registry, ask the image for a list, and say its size.
#
#   scripts/image.sh                                            as root, on Debian with buildah, mmdebstrap, curl and python3
#   EXTRAS=serve INDEX=var/demo scripts/image.sh                an image that cannot build serves an index that is there
#   scripts/image.sh --volume /etc/pip.conf:/etc/pip.conf:ro    more arguments go to `buildah build`
#
# The base is made of Debian's packages under the name that the Dockerfile gives, so Python is Debian's.
# Everything is in a temporary folder, and is removed. Processes run in a chroot, on this machine's network.
set -euo pipefail
cd "$(dirname "$0")/.."
BASE=$(sed -n 's/^FROM \([^ ]*\) AS install$/\1/p' Dockerfile)
SUITE=${BASE##*-}
PORT=${PORT:-8765}
EXTRAS=${EXTRAS:-$(sed -n 's/^ARG EXTRAS="\(.*\)"$/\1/p' Dockerfile)}

work=$(mktemp --directory)
buildah() { command buildah --root "$work/store" --runroot "$work/run" "$@"; }
run() { buildah run --isolation chroot "$container" -- "$@"; }
stop() { # a process, after all that it started
    for child in $(pgrep --parent "$1"); do stop "$child"; done
    kill "$1" 2> /dev/null || true
}
end() {
    [ -z "${service:-}" ] || { stop "$service"; wait "$service" || true; }
    buildah rm --all > /dev/null 2>&1 || true
    buildah rmi --all --force > /dev/null 2>&1 || true
    rm -rf "$work"
}
trap end EXIT

echo "base: $BASE, of Debian $SUITE"
mmdebstrap --quiet --variant=minbase --include=ca-certificates,python3,python3-venv "$SUITE" "$work/base.tar"
base=$(buildah from scratch)
buildah add --quiet "$base" "$work/base.tar" / > /dev/null
buildah run --isolation chroot "$base" -- ln -s python3 /usr/bin/python
buildah commit --quiet "$base" "docker.io/library/$BASE" > /dev/null
rm "$work/base.tar"

echo "image: readmore[$EXTRAS]"
buildah build --quiet --isolation chroot --format docker --pull-never --build-arg "EXTRAS=$EXTRAS" \
    --build-arg "PIP_EXTRA_INDEX_URL=${PIP_EXTRA_INDEX_URL:-}" "$@" --tag readmore . > /dev/null
size() { buildah images --format '{{.Size}}' "$1"; }
echo "size: $(size readmore), of which the base $(size "docker.io/library/$BASE")"

container=$(buildah from --pull-never readmore)
if [ -n "${INDEX:-}" ]; then
    buildah copy --quiet --chown 10001 "$container" "$INDEX" /index > /dev/null
else
    run readmore build pydoc-topics --out /index
fi
command=$(buildah inspect "$container" | python3 -c 'import json, sys
config = json.load(sys.stdin)["OCIv1"]["config"]
print(*config["Entrypoint"], *config["Cmd"])')
# shellcheck disable=SC2086 # the words of a command
run $command --host 127.0.0.1 --port "$PORT" > "$work/service.log" 2>&1 &
service=$!
address=http://127.0.0.1:$PORT
curl --silent --output /dev/null --retry 60 --retry-delay 1 --retry-connrefused --fail "$address/readyz" || { cat "$work/service.log"; exit 1; }
echo "user: $(run id --user), command: $command"
curl --silent --fail "$address/v1/articles/for/related?limit=3&fields=title"
echo
curl --silent --fail "$address/v1/related?limit=1&fields=title" --header 'content-type: application/json' \
    --data '{"title": "Going round", "text": "A loop repeats its body until break ends it."}'
echo
