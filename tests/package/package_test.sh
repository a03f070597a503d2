#!/usr/bin/env bash
# Installs into a folder of its own, builds an outside project against that by CMake's package and by
# pkg-config, runs the examples of docs/examples against one another and against a Node.js peer, and holds a
# store of that project's own against the suite for stores.
# usage: package_test.sh SOURCE BUILD WORK
set -euo pipefail
source=$1 build=$2 work=$3
rm -rf "$work"
mkdir -p "$work"
prefix=$work/prefix
cmake --install "$build" --prefix "$prefix" >"$work/install.log"

launcher=()
command -v ccache >/dev/null && launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
cmake -S "$source/tests/package" -B "$work/cmake" -DCMAKE_BUILD_TYPE=Debug -DCMAKE_PREFIX_PATH="$prefix" \
      -DSHEAF_EXAMPLES="$source/docs/examples" "${launcher[@]}" >"$work/configure.log"
cmake --build "$work/cmake" >"$work/build.log" || { cat "$work/build.log"; exit 1; }

export PKG_CONFIG_PATH
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name sheaf.pc)")
libraries=$(dirname "$PKG_CONFIG_PATH")
# shellcheck disable=SC2046
c++ -std=c++20 "$source/docs/examples/two_bundles.cpp" $(pkg-config --cflags sheaf) -o "$work/by_pkg_config" \
    $(pkg-config --libs sheaf) -Wl,-rpath,"$libraries"

# What the shared library shows is the project's own and Boost's.
foreign=$(nm -DC --defined-only "$libraries/libsheaf.so" | awk '{ $1 = $2 = ""; print }' |
          grep -vE 'sheaf::|boost::' || true)
[ -z "$foreign" ] || { echo "the shared library shows names that are not its own:"; head -20 <<<"$foreign"; exit 1; }

expect() {  # expect WHAT WANTED GOT
  [ "$2" = "$3" ] || { printf '%s: wanted %q, got %q\n' "$1" "$2" "$3"; exit 1; }
}
both=$'ann has /cool.txt: cool\nann has /hello.txt: hello\nben has /cool.txt: cool\nben has /hello.txt: hello'
expect "two_bundles" "$both" "$("$work/cmake/two_bundles" "$work/bundles")"
expect "two_bundles by pkg-config" "$both" "$("$work/by_pkg_config" "$work/bundles_by_pkg_config")"
expect "value_router" $'goodbye in fallback\nhello in a b' "$("$work/cmake/value_router")"
expect "tree_of_keys" $'then: apple is red\nthen: lemon is green\nnow: lemon is yellow' "$("$work/cmake/tree_of_keys" "$work/tree")"
"$work/cmake/own_store" >"$work/own_store.log" || { cat "$work/own_store.log"; exit 1; }

# One peer writes and serves; the others follow it over TCP and WebSocket.
coproc server { "$work/cmake/serve_to_node" "$work/served" one two three; }
server_pid=$!
trap 'kill $server_pid 2>/dev/null || true' EXIT
read -r _ key <&"${server[0]}"
read -r _ tcp <&"${server[0]}"
read -r _ ws <&"${server[0]}"

expect "ten_line_peer over TCP" "complete, 3 blocks" "$("$work/cmake/ten_line_peer" "$work/a" "$key" "$tcp")"
expect "ten_line_peer over WebSocket, shared" "complete, 3 blocks" \
       "$("$work/cmake/ten_line_peer_shared" "$work/b" "$key" "$ws")"
expect "follow_and_read" $'one\ntwo\nthree' "$("$work/cmake/follow_and_read" "$work/d" "$key" "$ws" 3)"
if command -v node >/dev/null && [ -d "$source/tests/interop/node_modules" ]; then
  expect "a Node.js peer" $'block 0: one\nblock 1: two' "$(node "$source/tests/interop/reader.mjs" "$key" "$tcp" 2)"
fi
input=${server[1]}
exec {input}>&-
wait "$server_pid"
trap - EXIT
echo "installed, found both ways, and every example ran"
