#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# A campaign on many processors: GNU parallel runs the shards, trapline merges them. See README.md beside this file.
#   parallel.sh <folder> <shards> <guest> --seeds <a-b> [options of trapline stress]
# Stopped or killed, the same line goes on where it was. TRAPLINE: the program, if it is not 'trapline' on PATH.
set -u
trapline=${TRAPLINE:-trapline}
if [ $# -lt 4 ]; then
  echo "usage: $0 <folder> <shards> <guest> --seeds <a-b> [options of trapline stress]" >&2
  exit 2
fi
mkdir -p "$1" || exit 2
folder=$(cd "$1" && pwd)
shards=$2
shift 2

# Finished shards are not started again, so a folder must not serve two campaigns.
line="$shards shards: $*"
if [ -e "$folder/line" ] && [ "$(cat "$folder/line")" != "$line" ]; then
  echo "$0: $folder is of another campaign ($(cat "$folder/line")): expected an empty folder" >&2
  exit 2
fi
printf '%s\n' "$line" > "$folder/line"

# A shard that ends with a violation counts as failed: it is started again, finds everything done and says the same.
parallel --joblog "$folder/joblog" --resume-failed --quote --workdir "$PWD" \
  $trapline stress "$@" --shard "{}/$shards" --resume "$folder/shard-{}.jsonl" --quiet \
  ::: $(seq "$shards") > "$folder/output"

exec $trapline merge "$folder"/shard-*.jsonl --report "$folder/campaign.json"
