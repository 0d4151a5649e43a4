/**
 * Values of variables that agents were given and that may be gone, or others, when the next daemon starts: kept as
 * salted digests, by which a value is known again where it is met, and never as they are.
 */
import { randomBytes, scrypt, scryptSync } from "node:crypto";
import { promisify } from "node:util";

export interface KeptSecrets {
  names: string[];
  /** In hexadecimal. */
  salt: string;
  values: { length: number; digest: string }[];
}

/** Some milliseconds and 4 MiB for each. */
const COST = { N: 4096, r: 8, p: 1 };
const LENGTH = 32;
const MOST = 200;
const digestOf = promisify<string, string, number, typeof COST, Buffer>(scrypt);

export class FormerSecrets {
  private readonly salt: string;
  private readonly lengths = new Map<number, Set<string>>();
  private readonly asked = new Map<string, boolean>();
  private count = 0;

  constructor(kept?: Partial<KeptSecrets>) {
    this.salt = typeof kept?.salt === "string" && kept.salt ? kept.salt : randomBytes(16).toString("hex");
    for (const value of Array.isArray(kept?.values) ? kept.values : []) this.put(value.length, String(value.digest));
  }

  get isEmpty(): boolean {
    return this.count === 0;
  }

  /** Whether it is a value that was kept. Takes its time once for each text of a kept length. */
  has(text: string): boolean {
    const digests = this.lengths.get(text.length);
    if (!digests) return false;
    const known = this.asked.get(text);
    if (known !== undefined) return known;
    const is = digests.has(scryptSync(text, this.salt, LENGTH, COST).toString("hex"));
    this.asked.set(text, is);
    return is;
  }

  async add(value: string): Promise<void> {
    const digest = (await digestOf(value, this.salt, LENGTH, COST)).toString("hex");
    this.put(value.length, digest);
    this.asked.delete(value);
  }

  kept(names: Iterable<string>): KeptSecrets {
    const values = [...this.lengths].flatMap(([length, digests]) => [...digests].map((digest) => ({ length, digest })));
    return { names: [...names], salt: this.salt, values: values.slice(-MOST) };
  }

  private put(length: number, digest: string): void {
    const digests = this.lengths.get(length) ?? new Set();
    if (digests.has(digest)) return;
    this.lengths.set(length, digests.add(digest));
    this.count++;
  }
}
