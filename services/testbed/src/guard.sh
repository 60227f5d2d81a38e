# Runs a server until the pipe at standard input ends, then kills it and removes its folder or keeps it.
# Arguments: the folder, what becomes of it (remove or keep), the signal that ends the server, the program and its arguments.
folder=$1 after=$2 signal=$3
shift 3
cd "$folder" || exit 1
# A session of its own, so that the signal reaches what the server started as well.
setsid "$@" >>"$folder/log" 2>&1 </dev/null &
server=$!
echo "$server" >"$folder/pid"
echo "$server"
read -r end
kill -s "$signal" -- "-$server" 2>/dev/null
wait "$server"
# What the server had started ends a little later, and has its ports and files until its last thread is gone.
runs() {
  for process in /proc/[0-9]*; do
    read -r _ _ state _ group _ 2>/dev/null <"$process/stat" || continue
    [ "$group" = "$server" ] || continue
    set -- "$process"/task/*
    [ "$state" = Z ] && [ $# -eq 1 ] || return 0
  done
  return 1
}
left=500
while [ $left -gt 0 ] && runs; do
  sleep 0.01
  left=$((left - 1))
done
# Of a folder that stays, somebody may have begun to use it again.
[ "$(cat "$folder/pid" 2>/dev/null)" != "$server" ] || rm -f "$folder/pid"
[ "$after" = keep ] || [ "$end" = keep ] || rm -rf "$folder"
