# Runs a server until the pipe at standard input ends, then kills it and removes its folder.
# Arguments: the folder, the signal that ends the server, the program and its arguments.
folder=$1 signal=$2
shift 2
cd "$folder" || exit 1
# A session of its own, so that the signal reaches what the server started as well.
setsid "$@" >>"$folder/log" 2>&1 </dev/null &
server=$!
echo "$server" >"$folder/pid"
echo "$server"
read -r end
kill -s "$signal" -- "-$server" 2>/dev/null
wait "$server"
rm -f "$folder/pid"
[ "$end" = keep ] || rm -rf "$folder"
