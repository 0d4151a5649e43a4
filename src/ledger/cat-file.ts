/** Reading objects and refs through one `git cat-file --batch` that stays open. */
import { once } from "node:events";
import { type ChildProcess } from "node:child_process";
import { git, openGit } from "./git.ts";

export interface GitObject {
  id: string;
  type: string;
  content: Buffer;
}

export interface ObjectReader {
  /** The object a name (`<commit>`, `<commit>:<path>`, a full ref) stands for now; null when there is none. */
  get(name: string): Promise<GitObject | null>;
  close(): Promise<void>;
}

export function openObjects(gitDir: string): ObjectReader {
  let child: ChildProcess | undefined;
  let turn: Promise<unknown> = Promise.resolve();

  const ask = async (name: string): Promise<GitObject | null> => {
    const process = (child ??= openReader(gitDir));
    try {
      return await exchange(process, name);
    } catch (error) {
      if (child === process) child = undefined;
      throw error;
    }
  };
  return {
    get(name) {
      if (/[\n\r\0]/.test(name)) return askOnce(gitDir, name);
      const answer = turn.then(() => ask(name).catch(() => ask(name))); // killed by somebody: once more, with a new one
      turn = answer.catch(() => {});
      return answer;
    },
    async close() {
      await turn;
      const process = child;
      child = undefined;
      if (!process || process.exitCode !== null || process.signalCode !== null) return;
      const closed = once(process, "close");
      process.stdin?.end();
      await closed;
    },
  };
}

function openReader(gitDir: string): ChildProcess {
  const child = openGit(["cat-file", "--batch"], { cwd: gitDir, gitDir });
  child.stdin?.on("error", () => {}); // its end tells why
  child.stderr?.resume();
  child.on("error", () => {});
  return child;
}

/** One request and its answer: `<id> <type> <size>\n<content>\n`, or `<name> missing\n`. */
function exchange(child: ChildProcess, name: string): Promise<GitObject | null> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    let header: { id: string; type: string; start: number; size: number } | undefined;
    const finish = (settle: () => void) => {
      child.stdout?.off("data", take);
      child.off("close", fail).off("error", fail);
      settle();
    };
    const fail = () => finish(() => reject(new Error("git cat-file ended")));
    const take = (chunk: Buffer) => {
      chunks.push(chunk);
      length += chunk.length;
      if (!header) {
        const all = Buffer.concat(chunks.splice(0));
        chunks.push(all);
        const end = all.indexOf(10);
        if (end === -1) return;
        const line = all.subarray(0, end).toString();
        const match = /^([0-9a-f]{40,64}) (\w+) (\d+)$/.exec(line);
        if (!match?.[1] || !match[2]) return finish(() => resolve(null));
        header = { id: match[1], type: match[2], start: end + 1, size: Number(match[3]) };
      }
      const { id, type, start, size } = header;
      if (length < start + size + 1) return;
      finish(() => resolve({ id, type, content: Buffer.concat(chunks).subarray(start, start + size) }));
    };
    if (child.exitCode !== null || child.signalCode !== null) return reject(new Error("git cat-file ended"));
    child.stdout?.on("data", take);
    child.on("close", fail).on("error", fail);
    child.stdin?.write(`${name}\n`);
  });
}

/** A name with a line break cannot be asked for line by line. */
async function askOnce(gitDir: string, name: string): Promise<GitObject | null> {
  const id = await git(["rev-parse", "--quiet", "--verify", "--end-of-options", name], { cwd: gitDir, gitDir });
  if (id.code !== 0) return null;
  const object = id.stdout.toString().trim();
  const [type, content] = await Promise.all([
    git(["cat-file", "-t", object], { cwd: gitDir, gitDir }),
    git(["cat-file", "blob", object], { cwd: gitDir, gitDir }),
  ]);
  if (content.code !== 0) return null;
  return { id: object, type: type.stdout.toString().trim(), content: content.stdout };
}
