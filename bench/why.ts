/** What `cox why` costs against plain `git blame`, on a file with 500 commits, side by side in one run. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { LAUNCHER, makeLab, ms, quantile, type Lab } from "./lab.ts";

const COMMITS = 500;

export async function why(rounds = 15): Promise<string[]> {
  const lab = makeLab({ files: 2000 });
  try {
    grow(lab);
    const candidates: [string, string, string[]][] = [
      ["git blame", "git", ["-C", lab.dir, "blame", "--porcelain", "grown.ts"]],
      [`cox why, ${COMMITS} commits, trailers`, LAUNCHER, ["why", "grown.ts", "--json", "-C", lab.dir]],
      ["cox why, one line of it", LAUNCHER, ["why", "grown.ts:250", "--json", "-C", lab.dir]],
      ["git blame, agents' own commits", "git", ["-C", lab.dir, "blame", "--porcelain", "merged.ts"]],
      [`cox why, ${COMMITS} merges of agents' own commits`, LAUNCHER, ["why", "merged.ts", "--json", "-C", lab.dir]],
      ["git blame, squashed", "git", ["-C", lab.dir, "blame", "--porcelain", "squashed.ts"]],
      ["cox why, told by the records of 500 attempts", LAUNCHER, ["why", "squashed.ts", "--json", "-C", lab.dir]],
    ];
    const times = new Map<string, number[]>();
    for (let round = 0; round <= rounds; round++) {
      for (const [name, file, args] of candidates) {
        const began = performance.now();
        const { status } = spawnSync(file, args, { stdio: ["ignore", "ignore", "inherit"] });
        if (status !== 0) throw new Error(`${name} ended with ${status}`);
        if (round > 0) times.set(name, [...(times.get(name) ?? []), performance.now() - began]);
      }
    }
    let base = Number.NaN;
    return [...times].map(([name, each]) => {
      const median = quantile(each, 0.5);
      if (name.startsWith("git blame")) base = median;
      return `${name}: ${ms(median)}, ${(median / base).toFixed(1)} times git blame`;
    });
  } finally {
    lab.remove();
  }
}

/**
 * `grown.ts` by 500 commits with trailers, `merged.ts` by 500 merges of commits without, and `squashed.ts` by one commit
 * that says nothing; a response of each attempt on disk.
 */
function grow(lab: Lab): void {
  const responses = join(lab.workspace, "WFS-bench", "responses");
  mkdirSync(responses, { recursive: true });
  const [grown, merged]: [string[], string[]] = [[], []];
  const stream: string[] = [];
  const commit = (mark: number, message: string, of: { parents: string[]; files: [string, string[]][] }) => {
    const data = (text: string) => `data ${Buffer.byteLength(text)}\n${text}\n`;
    const who = `Bench <bench@localhost> ${1_800_000_000 + mark} +0000`;
    stream.push(`commit refs/heads/main\nmark :${mark}\nauthor ${who}\ncommitter ${who}\n${data(message)}`);
    of.parents.forEach((parent, place) => stream.push(`${place === 0 ? "from" : "merge"} ${parent}\n`));
    for (const [path, lines] of of.files) stream.push(`M 100644 inline ${path}\n${data(`${lines.join("\n")}\n`)}`);
  };
  let tip = lab.git("rev-parse", "HEAD").trim();
  for (let n = 1; n <= COMMITS; n++) {
    const said = `Cox-Session: WFS-bench\nCox-Task: impl-${n}\nCox-Attempt: 1\nCox-Role: code-developer\nCox-Cost-USD: 0.01`;
    grown.splice((n * 7) % n, 0, `export const grown${n} = ${n};`);
    merged.splice((n * 11) % n, 0, `export const merged${n} = ${n};`);
    const files: [string, string[]][] = [
      ["grown.ts", grown],
      ["merged.ts", merged],
    ];
    commit(n * 3, `WFS-bench impl-${n}: done\n\n${said}`, { parents: [tip], files: [files[0] as [string, string[]]] });
    commit(n * 3 + 1, "done, I think", { parents: [`:${n * 3}`], files: [files[1] as [string, string[]]] });
    commit(n * 3 + 2, `Merge WFS-bench impl-${n}: done\n\n${said}`, {
      parents: [`:${n * 3}`, `:${n * 3 + 1}`],
      files,
    });
    tip = `:${n * 3 + 2}`;
  }
  commit(1, "all of it in one", { parents: [tip], files: [["squashed.ts", merged]] });
  const input = `${stream.join("")}\n`;
  execFileSync("git", ["fast-import", "--quiet", "--force"], { cwd: lab.dir, input });
  lab.git("reset", "-q", "--hard");
  const blob = lab.git("rev-parse", "HEAD:squashed.ts").trim();
  for (let n = 1; n <= COMMITS; n++) {
    const files = [{ path: n === COMMITS ? "squashed.ts" : `other${n}.ts`, blob, added: 1, deleted: 0 }];
    const work = { branch: "", base: tip, commit: null, merged: null, commits: [], files };
    const response = {
      task: `impl-${n}`,
      attempt: 1,
      outcome: "success",
      result: "done",
      turns: 3,
      cost_usd: 0.01,
      work,
    };
    writeFileSync(join(responses, `impl-${n}-a1.json`), JSON.stringify(response, null, 2));
  }
}

if (import.meta.main) for (const line of await why()) console.log(line);
