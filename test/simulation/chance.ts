/** Chance from a seed: the same seed is the same life, to the last byte. */

export class Chance {
  private a: number;
  private b: number;
  private c: number;
  private d: number;

  /** `stream`: what it is for; streams of one seed know nothing of each other. */
  constructor(seed: number, stream: string) {
    let hash = 2166136261;
    for (const letter of `${seed} ${stream}`) hash = Math.imul(hash ^ letter.charCodeAt(0), 16777619);
    [this.a, this.b, this.c, this.d] = [hash | 0, seed | 0, 0x9e3779b9 | 0, stream.length];
    for (let i = 0; i < 12; i++) this.next();
  }

  /** 0 ≤ x < 1 (sfc32). */
  next(): number {
    const t = (((this.a + this.b) | 0) + this.d) | 0;
    this.d = (this.d + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = ((this.c << 21) | (this.c >>> 11)) + t;
    return (t >>> 0) / 4294967296;
  }

  is(probability: number): boolean {
    return this.next() < probability;
  }

  /** A whole number from `least` to `most`. */
  whole(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  between(least: number, most: number): number {
    return least + this.next() * (most - least);
  }

  /** A waiting time with this mean. */
  wait(mean: number): number {
    return -Math.log(1 - this.next()) * mean;
  }

  of<T>(choices: readonly T[]): T {
    return choices[Math.floor(this.next() * choices.length)] as T;
  }

  uuid(): string {
    const hex = Array.from({ length: 4 }, () =>
      Math.floor(this.next() * 4294967296)
        .toString(16)
        .padStart(8, "0"),
    );
    const all = hex.join("");
    return `${all.slice(0, 8)}-${all.slice(8, 12)}-4${all.slice(13, 16)}-a${all.slice(17, 20)}-${all.slice(20)}`;
  }
}
