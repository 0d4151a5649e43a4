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
/** What stands before and after a value that is told. */
const EDGE = /[^A-Za-z0-9_-]/;
const MOST_CANDIDATES = 500;
const digestOf = promisify<string, string, number, typeof COST, Buffer>(scrypt);

export class FormerSecrets {
  private readonly salt: string;
  private readonly lengths = new Map<number, Set<string>>();
  private readonly asked = new Map<string, boolean>();
  private readonly today = new Set<string>();
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

  /** Kept values that stand in a text between spaces, quotes or other signs, and that are not those of today. */
  async search(text: string): Promise<string[]> {
    const candidates = new Set<string>();
    for (const [length, digests] of this.lengths) {
      if ([...digests].every((digest) => this.today.has(digest))) continue;
      for (let at = 0; at + length <= text.length && candidates.size < MOST_CANDIDATES; at++) {
        if ((at === 0 || EDGE.test(text[at - 1] ?? "")) && EDGE.test(text[at + length] ?? " "))
          candidates.add(text.slice(at, at + length));
      }
    }
    const digested = [...candidates].map(async (value) => ({
      value,
      digest: (await digestOf(value, this.salt, LENGTH, COST)).toString("hex"),
    }));
    const found = (await Promise.all(digested)).filter(({ value, digest }) =>
      this.lengths.get(value.length)?.has(digest),
    );
    return found.map(({ value }) => value);
  }

  async add(value: string): Promise<void> {
    const digest = (await digestOf(value, this.salt, LENGTH, COST)).toString("hex");
    this.today.add(digest);
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
