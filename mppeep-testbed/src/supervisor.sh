# Starts one service on each line that says "start", and answers its process id.
# The end of the input means that whoever wanted the service is gone, however: it is killed, its folder removed.
folder=$1
log=$2
shift 2
pid=
while read -r word; do
    [ "$word" = start ] || continue
    [ -z "$pid" ] || wait "$pid" 2>/dev/null
    "$@" </dev/null >>"$log" 2>&1 &
    pid=$!
    echo "$pid"
done
if [ -n "$pid" ]; then
    # Stopped first, so that it starts no more children while we look for them.
    kill -STOP "$pid" 2>/dev/null
    children=$(grep -ls "^PPid:[[:space:]]$pid\$" /proc/[0-9]*/status | cut -d/ -f3)
    # shellcheck disable=SC2086
    kill -KILL "$pid" $children 2>/dev/null
    wait "$pid" 2>/dev/null
    # PostgreSQL's mark in shared memory outlives it; the seventh line of this file names it.
    mark=$(sed -n '7{s/^ *[0-9]* *//;p;}' "$folder/data/postmaster.pid" 2>/dev/null)
    [ -z "$mark" ] || ipcrm -m "$mark" 2>/dev/null
fi
for _ in 1 2 3 4 5; do
    rm -rf "$folder" && break
    sleep 0.1
done
