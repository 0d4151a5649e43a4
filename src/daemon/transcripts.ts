/** What an agent said, kept on disk: the complete stream, and a page to read. Recorded only with `ledger.transcripts`. */
import { mkdir, readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { copyOutput, leftOut } from "../agent/cap-output.ts";
import type { RunOutput } from "../agent/runner.ts";
import type { SessionId } from "../model/ids.ts";
import type { Role } from "../model/role.ts";
import type { Run } from "../model/transition.ts";
import { writeFiles } from "../store/files.ts";
import { at } from "../store/paths.ts";
import { chat } from "../views/stream.ts";

export async function keepTranscript(
  workspace: string,
  of: { run: Pick<Run, "session">; role: Pick<Role, "runner">; name: string; runDir: string; output: RunOutput },
): Promise<void> {
  if (of.role.runner === "command") return;
  const { session } = of.run;
  const messages = join(workspace, at.messages(session, of.name));
  await mkdir(dirname(messages), { recursive: true });
  await copyOutput(of.runDir, messages);
  const before = of.output.leftOut ? [leftOut(of.output.leftOut)] : [];
  const content = chat([...before, ...of.output.stdout.split("\n")]);
  await writeFiles(workspace, [{ path: at.chat(session, of.name), content }], false);
}

/** A longer stream stays on disk alone. */
const LARGEST_BYTES = 64 * 1024 * 1024;

/** What is on disk of an attempt's conversation, to be recorded at its end. */
export async function transcriptOf(
  workspace: string,
  session: SessionId,
  name: string,
): Promise<{ path: string; content: Buffer }[]> {
  const files: { path: string; content: Buffer }[] = [];
  for (const path of [at.messages(session, name), at.chat(session, name)]) {
    const file = join(workspace, path);
    const there = await stat(file).catch(() => undefined);
    if (there?.isFile() && there.size <= LARGEST_BYTES) files.push({ path, content: await readFile(file) });
  }
  return files;
}
