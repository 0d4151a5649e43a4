// src/ → dist/: TypeScript through the compiler, every other file as it is. Readable for Node 18, see local-node.mjs.
import { spawnSync } from "node:child_process";
import { cpSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { localEnvironment, root } from "./local-node.mjs";

rmSync(join(root, "dist"), { recursive: true, force: true });
const { status, error } = spawnSync("tsc", ["-p", "tsconfig.build.json"], {
  cwd: root,
  env: localEnvironment(),
  stdio: "inherit",
});
if (error) console.error(error.message);
if (status !== 0) process.exit(1);
cpSync(join(root, "src"), join(root, "dist"), {
  recursive: true,
  filter: (path) => statSync(path).isDirectory() || !path.endsWith(".ts"),
});
