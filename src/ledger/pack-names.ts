/**
 * Names for packs, in the folder before they are used: each a `.keep` and an empty `.pack`, which git passes over for
 * want of an index. At its end a `git gc` deletes each index, with the `.keep` beside it, whose `.pack` it did not see.
 * It reads the folder piece by piece, and where both come up meanwhile it may see the one and not the other. So while a
 * gc is at work an index only comes to a name that was there before any reading of the folder that goes on can have begun.
 */
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { isGcAtWork } from "./user-gc.ts";

export interface PackName {
  name: string;
  /** When it was in the folder, by `performance.now()`. */
  since: number;
}

const MOST = 64;
const LONGEST_READING_MS = 1000;
const LOOK_MS = 5;
/**
 * No pack can go while a gc is at work. The more there are, the older names must be, so the fewer are written, each of more
 * transitions: 64 in the first second, about a thousand in the first minute. Users' commands open them all.
 */
const CROWD_MS = 5;

interface PackNamesOptions {
  gitDir: string;
  /** Characters of a name. */
  length: number;
  /** Puts both files of this name into the folder. */
  make: (name: string) => Promise<void>;
  remove: (name: string) => Promise<void>;
}

export class PackNames {
  private readonly options: PackNamesOptions;
  private ready: PackName[] = [];
  private making: Promise<void> = Promise.resolve();

  constructor(options: PackNamesOptions) {
    this.options = options;
  }

  /** The oldest. When `busy`, more are made for those to come. Throws errno errors. */
  async take(busy: boolean): Promise<PackName> {
    const oldest = this.ready.shift();
    const name = oldest ?? (await this.make());
    // One more than are used, so there are many in busy times only; beside a gc nobody else shall wait for one to age.
    if (busy) this.fill(isGcAtWork(this.options.gitDir) ? MOST : 2);
    return name;
  }

  /** Resolves when an index may come to this name: at once, unless a gc is at work. Bring it in the same turn. */
  async ripen({ since }: PackName, crowd: number): Promise<void> {
    const ripe = () => performance.now() - since >= LONGEST_READING_MS + crowd * CROWD_MS;
    while (!ripe() && isGcAtWork(this.options.gitDir)) await sleep(LOOK_MS);
  }

  /** Takes away what is not used. */
  async clear(): Promise<void> {
    await this.making;
    for (const { name } of this.ready.splice(0)) await this.options.remove(name).catch(() => {});
  }

  private fill(count: number): void {
    this.making = this.making.then(async () => {
      try {
        for (let n = 0; n < count && this.ready.length < MOST; n++) this.ready.push(await this.make());
      } catch {
        // Whoever needs one makes it, and hears why that fails.
      }
    });
  }

  private async make(): Promise<PackName> {
    const name = randomBytes(this.options.length / 2).toString("hex");
    try {
      await this.options.make(name);
    } catch (error) {
      await this.options.remove(name).catch(() => {});
      throw error;
    }
    return { name, since: performance.now() };
  }
}
