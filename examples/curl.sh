#!/usr/bin/env bash
# The same with curl, and Python only to read JSON.
#
#     export TOGETHER_API_KEY=…          # the key that `rushes serve` printed
#     bash examples/curl.sh
set -euo pipefail

base="${TOGETHER_BASE_URL:-http://127.0.0.1:8000}"
field() { python3 -c 'import functools, json, sys; print(functools.reduce(lambda v, k: v[k], sys.argv[1].split("."), json.load(sys.stdin)))' "$1"; }
ask() { curl -sS --fail-with-body -H "Authorization: Bearer ${TOGETHER_API_KEY:-none}" "$@"; }
give_up() { echo "$job" >&2; exit 1; }

job=$(ask "$base/v2/videos" -H 'Content-Type: application/json' -d '{
  "model": "rushes/mini",
  "prompt": "A penguin waddles across the snow while the camera slowly pans left",
  "seconds": "2",
  "seed": 7
}') || give_up
id=$(field id <<<"$job")
echo "job $id"

while [ "$(field status <<<"$job")" = in_progress ]; do
  sleep 1
  job=$(ask "$base/v2/videos/$id") || give_up
done
[ "$(field status <<<"$job")" = completed ] || give_up

curl -sSL -o penguin.mp4 "$(field outputs.video_url <<<"$job")"  # the file needs no key
echo penguin.mp4
