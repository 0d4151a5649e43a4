/** Values of the variables that agents get by name: they must not become a git object. SPEC section 7. */
import { readFile } from "node:fs/promises";
import writeFileAtomic from "write-file-atomic";
import { longLines, SHORTEST } from "../ledger/known-values.ts";
import { redactor } from "../ledger/redact.ts";
import type { Behind } from "../ledger/as-recorded.ts";
import { withheld } from "../ledger/withheld.ts";
import { FormerSecrets, type KeptSecrets } from "./former-secrets.ts";
import type { Role } from "../model/role.ts";
import type { Task } from "../model/task.ts";
import type { Change } from "../model/transition.ts";

const SECRET_NAME = /(?:KEY|TOKEN|SECRET|PASSWORD|PASSPHRASE|CREDENTIALS?)$/i;
const MARK = "[redacted:value]";

/** Knows more and more values, and forgets none while the daemon lives: what an agent was given it may tell later. */
export class Secrets {
  private readonly environment: NodeJS.ProcessEnv;
  private readonly values = new Set<string>();
  private readonly names = new Set<string>();
  private file: string | undefined;
  private keeping: Promise<void> | undefined;
  private former = new FormerSecrets();
  /** Values whose digests are kept. */
  private readonly digested = new Set<string>();
  private take: ReturnType<typeof redactor> | undefined;
  private readonly make: (values: readonly string[]) => ReturnType<typeof redactor>;

  /** `make` is another only where a test lets it fail. */
  constructor(
    environment: NodeJS.ProcessEnv,
    make: (values: readonly string[]) => ReturnType<typeof redactor> = (values) => redactor(values),
  ) {
    this.environment = environment;
    this.make = make;
  }

  /**
   * What a task that is gone was given is redacted by the next daemon too: the names are kept in the file, and digests of
   * the values, never a value. One that cannot be read or written costs only that.
   */
  async keepIn(file: string): Promise<void> {
    const kept: unknown = await readFile(file, "utf8")
      .then(JSON.parse, () => undefined)
      .catch(() => undefined);
    // The first version had the names alone.
    const { names, ...former } = (Array.isArray(kept) ? { names: kept } : (kept ?? {})) as Partial<KeptSecrets>;
    this.former = new FormerSecrets(former);
    if (Array.isArray(names)) this.add(names.filter((name) => typeof name === "string"));
    this.file = file;
    if (this.values.size > 0) this.keep();
  }

  /** `names`: of variables. */
  add(names: Iterable<string> = []): void {
    for (const name of names) {
      if (!this.names.has(name)) {
        this.names.add(name);
        this.keep();
      }
      this.addValue(this.environment[name] ?? "");
    }
  }

  /** What an agent that outlived the daemon before this one was given. */
  addFrom(given: (name: string) => string | undefined): void {
    for (const name of this.names) this.addValue(given(name) ?? "");
  }

  /** What an agent told that has ended while no daemon was there. */
  async searchIn(text: string): Promise<void> {
    for (const value of await this.former.search(text)) this.addValue(value);
  }

  /** What agents get without being named for it, such as an account's key: what its name says is a secret. */
  addUnasked(environment: Record<string, string | undefined>): void {
    for (const [name, value = ""] of Object.entries(environment))
      if (SECRET_NAME.test(name) && value.length >= 12 && !/^\d+$|^[/~.]/.test(value)) this.add([name]);
  }

  private addValue(given: string): void {
    const value = given.trim();
    if (value.length < SHORTEST || this.values.has(value)) return;
    this.values.add(value);
    this.take = undefined;
    this.keep();
  }

  private keep(): void {
    const { file } = this;
    if (file === undefined) return;
    // All that come in this turn are written at once.
    this.keeping ??= Promise.resolve().then(async () => {
      this.keeping = undefined;
      const write = () =>
        writeFileAtomic(file, `${JSON.stringify(this.former.kept(this.names))}\n`, { mode: 0o600 }).catch(() => {});
      await write();
      const found = [...this.values].flatMap((value) => [value, ...longLines(value)]);
      const fresh = found.filter((value) => !this.digested.has(value));
      if (fresh.length === 0) return;
      for (const value of fresh) this.digested.add(value);
      await Promise.all(fresh.map((value) => this.former.add(value)));
      await write();
    });
  }

  /**
   * Whether what stands on disk in redacted places is what was redacted there. A value that this daemon was not given is
   * known from now on. Where nothing tells, it counts as redacted: what was kept out of the ledger once stays out.
   */
  readonly isRedacted = (behind: readonly Behind[]): boolean => {
    const values = behind.filter(({ kind }) => kind === "value");
    return values.every(({ text }) => this.redact(text) === MARK || this.recognize(text));
  };

  private recognize(text: string): boolean {
    const meant = [text, ...readings(text)];
    const former = meant.find((reading) => this.former.has(reading));
    if (former !== undefined) this.addValue(former);
    else if (this.former.isEmpty) for (const reading of meant) this.addValue(reading);
    // Perhaps a value that was encoded.
    else return /^[\w+/=.%-]{8,}$/.test(text);
    return true;
  }

  addRoles(roles: ReadonlyMap<string, Role>): void {
    for (const role of roles.values()) this.add(role.env);
  }

  addTask(task: Pick<Task, "execution"> | null | undefined): void {
    const names: unknown = task?.execution?.env;
    if (Array.isArray(names)) this.add(names.filter((name) => typeof name === "string"));
  }

  /** What a decision's agents get is known before they, or what is recorded of them, can tell it. */
  addDecided(changes: readonly Change[]): void {
    for (const change of changes) if (change.of === "task" || change.of === "task-edit") this.addTask(change.after);
  }

  /**
   * The text without what is known by its value, and without what looks like a secret. Where that cannot be done the
   * text is withheld: nothing that was not looked through becomes a git object.
   */
  readonly redact = (text: string): string => {
    try {
      this.take ??= this.make([...this.values]);
      return this.take(text).text;
    } catch {
      return withheld(text);
    }
  };
}

/** What a form of a value stands for, as it is in JSON and in URLs. */
function readings(text: string): string[] {
  const attempts = [
    () => (text.includes("\\") ? (JSON.parse(`"${text}"`) as string) : text),
    () => decodeURIComponent(text),
    () => text.replaceAll("&lt;", "<").replaceAll("&amp;", "&"),
    () => text.replaceAll(/\r?\n[ \t]{0,8}/g, ""),
    () => Buffer.from(text, "base64").toString(),
  ];
  return attempts.flatMap((read) => {
    try {
      const reading = read();
      const real = reading !== text && reading.length >= SHORTEST && !/[\p{Cc}\ufffd]/u.test(reading);
      return real ? [reading] : [];
    } catch {
      return [];
    }
  });
}
