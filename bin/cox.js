#!/bin/sh
':' /*
# A shell script and a JavaScript module in one. Run directly, it is this shell part, which replaces itself with the right Node:
# one Node starts, not two. Run as `node bin/cox.js`, it is the JavaScript below, in syntax that old Nodes can read, so that they
# can say that they are too old. No "star slash" may occur up here: it would end the JavaScript comment that this is.
# POSIX only for now: the shims that npm writes on Windows would look for sh.
self=$0
case $self in *[/]*) ;; *) self=./$self ;; esac
while [ -h "$self" ]; do
  link=$(readlink "$self")
  case $link in /*) self=$link ;; *) self=${self%/*}/$link ;; esac
done
# A daemon starts processes all the time, and that takes the longer the larger it is itself: so its heap is kept small.
# It waits for several syncs of the disk at once, which a pool of four threads would make wait for each other; and glibc is
# told to give back what a burst took, which else it would keep for good in an arena for each thread.
heap=--
for word in "$@"; do
  [ "$word" = start ] || continue
  heap=--max-semi-space-size=2
  export UV_THREADPOOL_SIZE="${UV_THREADPOOL_SIZE:-8}"
  export MALLOC_ARENA_MAX="${MALLOC_ARENA_MAX:-2}" MALLOC_MMAP_THRESHOLD_="${MALLOC_MMAP_THRESHOLD_:-32768}"
done
node=${self%/*}/../node_modules/.bin/node
[ -x "$node" ] && exec "$node" $heap "$self" "$@"
command -v node >/dev/null && exec node $heap "$self" "$@"
echo 'cox: needs Node 24.15 or newer, and there is no node on the PATH: install it (or, in a checkout, run "npm ci")' >&2
exit 1
*/

import fs from "fs";
import module from "module";

const [major, minor] = process.versions.node.split(".").map(Number);
const checkout = fs.existsSync(new URL("../src", import.meta.url));

if (major > 24 || (major === 24 && minor >= 15)) {
  module.enableCompileCache(); // honours NODE_COMPILE_CACHE; keeps parsed code and stripped types between runs
  void import(new URL(checkout ? "../src/surfaces/cli/main.ts" : "../dist/surfaces/cli/main.js", import.meta.url).href);
} else {
  const local = ["../node_modules/.bin/node", `../node_modules/node-linux-${process.arch}/bin/node`]
    .map((path) => new URL(path, import.meta.url))
    .find((url) => fs.existsSync(url) && fs.realpathSync(url) !== fs.realpathSync(process.execPath));
  if (local) void startAgainUnder(local);
  else refuse();
}

/** Replaces this process as nearly as one can: same terminal, arguments, signals and end. */
async function startAgainUnder(node) {
  const { spawn } = await import("child_process");
  const { isatty } = await import("tty");
  const { fileURLToPath } = await import("url");
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
  const child = spawn(fileURLToPath(node), [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: "inherit",
  });
  child.on("error", refuse);
  for (const signal of signals) {
    process.on(signal, () => {
      // Ctrl-C reaches the whole foreground group: forwarding it as well would make it two.
      if (signal !== "SIGINT" || !isatty(0)) child.kill(signal);
    });
  }
  child.on("exit", (code, signal) => {
    if (signal === null) process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

function refuse() {
  console.error(
    `cox: needs Node 24.15 or newer, but this is Node ${process.versions.node}: install a newer one` +
      (checkout ? ' (or run "npm ci" in this checkout, which brings its own)' : ""),
  );
  process.exit(1);
}
