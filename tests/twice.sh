#!/bin/sh
# pytest with these arguments; a few that failed beside others are looked at once more, by themselves: twice.sh PYTEST ...
#
# Several tests at a time on two cores may keep somebody waiting for longer than a test allows for. Both looks are printed, and whoever
# fails alone as well has failed. More than five are no matter of a busy machine. What was covered is what the first look covered.
set -u
FEW=5

status=0
"$@" --cache-clear || status=$?
[ "$status" -eq 1 ] || exit "$status"
failed=$("$1" --cache-show 'cache/lastfailed' | grep -c '::')
[ "$failed" -ge 1 ] && [ "$failed" -le "$FEW" ] || exit "$status"
echo "FAILED BESIDE OTHERS: $failed, now once more by themselves"
exec "$@" --processes 1 --no-cov --last-failed --last-failed-no-failures none
