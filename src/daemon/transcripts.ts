/** What an agent said, kept on disk: the complete stream, and a page to read. Recorded only with `ledger.transcripts`. */
import { copyFile, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { RunOutput } from "../agent/runner.ts";
import type { SessionId } from "../model/ids.ts";
import { writeFiles } from "../store/files.ts";
import { at } from "../store/paths.ts";
import { chat } from "../views/stream.ts";

export async function keepTranscript(
  workspace: string,
  of: { session: SessionId; name: string; runDir: string; stream: boolean; output: RunOutput },
): Promise<void> {
  if (!of.stream) return;
  const messages = join(workspace, at.messages(of.session, of.name));
  await mkdir(dirname(messages), { recursive: true });
  await copyFile(join(of.runDir, "stdout"), messages);
  const content = chat(of.output.stdout.split("\n"));
  await writeFiles(workspace, [{ path: at.chat(of.session, of.name), content }], false);
}
