/**
 * The recommended rules of secretlint, beside our own forms. Its core is asynchronous and made for files; the rules
 * themselves answer at once, so they are asked without it. Loaded by the daemon only. See docs/decisions/0008.
 */

/** A secret in a text: from `start` to `end`. */
export interface FoundSecret {
  kind: string;
  start: number;
  end: number;
}

export type FindSecrets = (text: string) => FoundSecret[];

interface Rule {
  meta: { id: string };
  create(context: object, options: object): { file?(source: object): unknown };
}

const PREFIX = "@secretlint/secretlint-rule-";
/** Words beside a secret that say it is none: a secret is not excused by them. */
const EXCUSES = `${PREFIX}filter-comments`;

/** Throws where a rule does not answer at once: then nothing was looked through. */
export async function recommendedRules(): Promise<FindSecrets> {
  const { rules } = (await import("@secretlint/secretlint-rule-preset-recommend")) as unknown as { rules: Rule[] };
  let found: FoundSecret[] = [];
  const asked = rules
    .filter(({ meta }) => meta.id !== EXCUSES)
    .map((rule) => {
      const kind = rule.meta.id.slice(PREFIX.length).replace(/[^a-z-]/g, "") || "secret";
      const context = {
        createTranslator: () => (messageId: string) => ({ message: messageId, messageId }),
        report: ({ range: [start, end] }: { range: [number, number] }) => void found.push({ kind, start, end }),
        ignore: () => {},
        sharedOptions: {},
        ruleId: rule.meta.id,
      };
      return { rule, handler: rule.create(context, {}) };
    });
  return (text) => {
    found = [];
    const source = { content: text, contentType: "text", filePath: "", ext: "", hasBOM: false };
    for (const { rule, handler } of asked) {
      if (handler.file?.(source) instanceof Promise) throw new Error(`${rule.meta.id} does not answer at once`);
    }
    return found;
  };
}
