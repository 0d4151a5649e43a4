/** The program of `git-process.ts`: runs git as it is asked, and ends with whoever asks. */
import { runHere } from "./git.ts";
import type { GitAnswer, GitRequest } from "./git-process.ts";

process.on("disconnect", () => process.exit());
process.on("message", ({ number, ground, args, input }: GitRequest) => {
  const bytes = input === undefined || typeof input === "string" ? input : Buffer.from(input);
  void runHere(ground, args, bytes).then((outcome) => process.send?.({ number, outcome } satisfies GitAnswer));
});
