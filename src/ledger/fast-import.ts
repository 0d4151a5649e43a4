/** The writer that keeps one `git fast-import` open: git builds trees, packs and the ref. */
import { openGit } from "./git.ts";
import { quoted } from "./message.ts";
import { type Draft, type Writer, WriterDied } from "./writer.ts";

const SETTINGS = [
  "fastimport.unpackLimit=0", // a pack for each batch: loose objects would cost a process each time
  "core.ignoreCase=false", // paths that differ in case only are two files
  "core.filesRefLockTimeout=1000",
  "pack.compression=1", // repacked soon; the tree of a big folder is most of the cost
];

export function startFastImport(options: { gitDir: string; ref: string; durability: "full" | "process" }): Writer {
  const child = openGit(["fast-import", "--quiet", "--done", "--date-format=raw", "--cat-blob-fd=1"], {
    cwd: options.gitDir,
    gitDir: options.gitDir,
    // Without the rest of core.fsync a power cut can take the last batches; packs are synced even so, for a ref that
    // names a commit without content would be worse.
    config: options.durability === "full" ? SETTINGS : [...SETTINGS, "core.fsync=none,pack"],
  });
  let complaint = "";
  let answers = "";
  let died: WriterDied | undefined;
  let waiting: { lines: number; resolve: (lines: string[]) => void; reject: (error: WriterDied) => void } | undefined;
  let batches = 0;
  let head: string | null = null;

  const gone = new Promise<void>((resolve) => {
    const end = (how: string) => {
      died ??= new WriterDied(`git fast-import ${how}: ${complaint.trim() || "no message"}`);
      waiting?.reject(died);
      resolve();
    };
    child.on("error", (error) => end(error.message));
    child.on("close", (code, signal) => end(`ended (${signal ?? code})`));
  });
  child.stdin?.on("error", () => {}); // its end tells why
  child.stderr?.on("data", (chunk: Buffer) => (complaint = (complaint + chunk.toString()).slice(-4000)));
  child.stdout?.on("data", (chunk: Buffer) => {
    answers += chunk.toString();
    const lines = answers.split("\n");
    if (!waiting || lines.length <= waiting.lines) return;
    answers = "";
    waiting.resolve(lines.slice(0, waiting.lines));
    waiting = undefined;
  });

  return {
    pid: child.pid,
    get batches() {
      return batches;
    },
    async write(parent, drafts, salt) {
      if (died) throw died;
      const input: Buffer[] = [];
      if (salt) input.push(Buffer.from(`blob\ndata ${Buffer.byteLength(salt)}\n${salt}\n`));
      drafts.forEach((draft, index) => {
        // The process knows the tree it has just written; `from` only tells it where to begin.
        const from = index === 0 && parent !== null && parent !== head ? parent : null;
        pushCommit(input, { ref: options.ref, mark: index + 1, from, draft });
      });
      const marks = drafts.map((_, index) => `get-mark :${index + 1}\n`).join("");
      input.push(Buffer.from(`checkpoint\n${marks}`));
      const ids = await new Promise<string[]>((resolve, reject) => {
        waiting = { lines: drafts.length, resolve, reject };
        child.stdin?.write(Buffer.concat(input));
      });
      batches++;
      head = ids.at(-1) ?? head;
      return ids;
    },
    async end() {
      // At its end it would move the ref to its last commit once more, even if somebody moved it back meanwhile: it
      // has to forget the ref first.
      if (!died) child.stdin?.end(`reset ${options.ref}\n\ndone\n`);
      await gone;
    },
    async kill() {
      child.kill("SIGKILL");
      await gone;
    },
  };
}

function pushCommit(input: Buffer[], commit: { ref: string; mark: number; from: string | null; draft: Draft }): void {
  const { ref, mark, from, draft } = commit;
  const text = Buffer.from(draft.message);
  input.push(
    Buffer.from(
      `commit ${ref}\nmark :${mark}\nauthor ${draft.author} ${draft.authored} +0000\n` +
        `committer ${draft.committer} ${draft.committed} +0000\ndata ${text.length}\n`,
    ),
    text,
    Buffer.from(from === null ? "\n" : `\nfrom ${from}\n`),
  );
  // Removals first: a file may take the place of a folder that goes in the same commit.
  for (const { path, content } of draft.changes) if (content === null) input.push(Buffer.from(`D ${quoted(path)}\n`));
  for (const { path, content } of draft.changes) {
    if (content === null) continue;
    input.push(Buffer.from(`M 100644 inline ${quoted(path)}\ndata ${content.length}\n`), content, Buffer.from("\n"));
  }
  input.push(Buffer.from("\n"));
}
