/**
 * A pack of our own making, with its index: gitformat-pack. Objects are whole, but folders, which may be told as what
 * changed in the one before (OFS_DELTA), since a folder of ten thousand files is the largest thing in it.
 */
import { createHash, hash } from "node:crypto";
import { crc32, deflateSync } from "node:zlib";
import type { Encoded, Piece } from "./tree.ts";

export type ObjectFormat = "sha1" | "sha256";
export interface Pack {
  /** Of its content, in hex; part of its file names. */
  name: string;
  pack: Buffer[];
  index: Buffer[];
  /** As `git pack-objects` reads them: a line `<id> <path>` for each object. Those of a like path make good deltas of each other. */
  listing: string;
}

const TYPES = { commit: 1, tree: 2, blob: 3, delta: 6 };
/**
 * To compress a small object takes fifty times as long as to store it, most of it to make room for a window; a folder's
 * bytes are ids mostly, which no compression makes smaller. Small packs are gathered soon, and compressed then.
 */
const WORTH_COMPRESSING = 16 * 1024;
const SMALLEST_DELTA_BASE = 512;
const DEEPEST = 40;

export class PackBuilder {
  private readonly format: ObjectFormat;
  private bytes: Buffer;
  private readonly objects = new Map<string, { offset: number; crc: number; depth: number; path: string }>();
  /** Bytes so far. */
  size = 12;

  /** `room`: of a pack that is written, to be used again. */
  constructor(format: ObjectFormat, room: Buffer = Buffer.allocUnsafeSlow(64 * 1024)) {
    this.format = format;
    this.bytes = room;
  }

  /** What the pack is made in: its bytes are gone when it is used again. */
  get room(): Buffer {
    return this.bytes;
  }

  /** `path`: where it is, or ends; for {@link Pack.listing}. */
  blob(content: Buffer, path: string): string {
    return this.add("blob", content, path);
  }

  commit(content: Buffer): string {
    return this.add("commit", content, "");
  }

  tree({ bytes, from, name }: Encoded): string {
    const id = objectId(this.format, "tree", bytes);
    if (this.objects.has(id)) return id;
    const base = from && this.objects.get(from.id);
    if (!base || from.length < SMALLEST_DELTA_BASE || base.depth >= DEEPEST) {
      this.put(id, { head: header(TYPES.tree, bytes.length), content: bytes, depth: 0, path: name });
      return id;
    }
    const delta = deltaOf(from.length, bytes.length, from.pieces);
    const head = Buffer.concat([header(TYPES.delta, delta.length), backwards(this.size - base.offset)]);
    this.put(id, { head, content: delta, depth: base.depth + 1, path: name });
    return id;
  }

  finish(): Pack {
    const count = this.objects.size;
    this.bytes.write("PACK", "latin1");
    this.bytes.writeUInt32BE(2, 4);
    this.bytes.writeUInt32BE(count, 8);
    const checksum = hashOf(this.format, [this.bytes.subarray(0, this.size)]);
    this.reserve(checksum.length);
    const end = this.size + checksum.copy(this.bytes, this.size);
    const listing = [...this.objects].map(([id, { path }]) => `${id} ${path.replaceAll("\n", "?")}\n`).join("");
    return {
      name: checksum.toString("hex"),
      pack: [this.bytes.subarray(0, end)],
      index: this.index(checksum),
      listing,
    };
  }

  /** Version 2: fan-out, ids, checksums, offsets (large ones apart, which no pack of ours has). */
  private index(checksum: Buffer): Buffer[] {
    const sorted = [...this.objects].sort(([a], [b]) => (a < b ? -1 : 1));
    const fan = Buffer.alloc(8 + 256 * 4);
    fan.writeUInt32BE(0xff744f63, 0);
    fan.writeUInt32BE(2, 4);
    const counts = Array.from({ length: 256 }, () => 0);
    for (const [id] of sorted) counts[Number.parseInt(id.slice(0, 2), 16)]!++;
    counts.reduce((sum, here, byte) => fan.writeUInt32BE(sum + here, 8 + byte * 4) && sum + here, 0);
    const ids = Buffer.from(sorted.map(([id]) => id).join(""), "hex");
    const sums = Buffer.alloc(sorted.length * 4);
    const offsets = Buffer.alloc(sorted.length * 4);
    sorted.forEach(([, { crc, offset }], place) => {
      sums.writeUInt32BE(crc, place * 4);
      offsets.writeUInt32BE(offset, place * 4);
    });
    const body = [fan, ids, sums, offsets, checksum];
    return [...body, hashOf(this.format, body)];
  }

  private add(type: "blob" | "commit", content: Buffer, path: string): string {
    const id = objectId(this.format, type, content);
    if (this.objects.has(id)) return id;
    const head = header(TYPES[type], content.length);
    const compressed = content.length >= WORTH_COMPRESSING ? deflateSync(content, { level: 1 }) : undefined;
    this.put(id, { head, content: compressed ?? content, depth: 0, path, isCompressed: compressed !== undefined });
    return id;
  }

  private put(
    id: string,
    entry: { head: Buffer; content: Buffer; depth: number; path: string; isCompressed?: boolean },
  ): void {
    const { head, content, depth, path, isCompressed = false } = entry;
    const offset = this.size;
    this.reserve(head.length + (isCompressed ? content.length : storedSize(content)));
    const at = offset + head.copy(this.bytes, offset);
    this.size = isCompressed ? at + content.copy(this.bytes, at) : store(content, this.bytes, at);
    this.objects.set(id, { offset, crc: crc32(this.bytes.subarray(offset, this.size)), depth, path });
  }

  private reserve(more: number): void {
    if (this.size + more <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.size + more, 2 * this.bytes.length));
    this.bytes.copy(larger, 0, 0, this.size);
    this.bytes = larger;
  }
}

const SMALL = 16 * 1024;

export function objectId(format: ObjectFormat, type: "blob" | "tree" | "commit", content: Buffer): string {
  const head = `${type} ${content.length}\0`;
  // A small one is quicker in one call; a large one is not to be copied for it.
  if (content.length < SMALL) return hash(format, Buffer.concat([Buffer.from(head), content]));
  return createHash(format).update(head).update(content).digest("hex");
}

function hashOf(format: ObjectFormat, chunks: readonly Buffer[]): Buffer {
  const hash = createHash(format);
  for (const chunk of chunks) hash.update(chunk);
  return hash.digest();
}

const LARGEST_BLOCK = 0xffff;

const blocksOf = ({ length }: Buffer) => Math.max(1, Math.ceil(length / LARGEST_BLOCK));
const storedSize = (content: Buffer) => 2 + 5 * blocksOf(content) + content.length + 4;

/** What zlib's level 0 makes (RFC 1950; RFC 1951, section 3.2.4), without a window. Answers where it ends. */
function store(content: Buffer, entry: Buffer, at: number): number {
  const blocks = blocksOf(content);
  let to = entry.writeUInt16BE(0x7801, at);
  for (let block = 0; block < blocks; block++) {
    const bytes = content.subarray(block * LARGEST_BLOCK, (block + 1) * LARGEST_BLOCK);
    to = entry.writeUInt8(block === blocks - 1 ? 1 : 0, to);
    to = entry.writeUInt16LE(bytes.length, to);
    to = entry.writeUInt16LE(bytes.length ^ 0xffff, to);
    to += bytes.copy(entry, to);
  }
  return entry.writeUInt32BE(adler32(content), to);
}

const ADLER_MODULUS = 65521;
/** So many bytes cannot make the sums larger than 2^32 (RFC 1950, section 9). */
const ADLER_RUN = 3800;

function adler32(content: Buffer): number {
  let a = 1;
  let b = 0;
  for (let at = 0; at < content.length;) {
    const end = Math.min(at + ADLER_RUN, content.length);
    for (; at < end; at++) {
      a += content[at] ?? 0;
      b += a;
    }
    a %= ADLER_MODULUS;
    b %= ADLER_MODULUS;
  }
  return b * 65536 + a;
}

/** Type and size: four bits of the size, then seven at a time. */
function header(type: number, size: number): Buffer {
  const bytes = [(type << 4) | (size & 15)];
  for (let rest = Math.floor(size / 16); rest > 0; rest = Math.floor(rest / 128)) {
    bytes[bytes.length - 1]! |= 128;
    bytes.push(rest & 127);
  }
  return Buffer.from(bytes);
}

/** How far before this object its base begins: seven bits at a time, highest first, one added at each step. */
function backwards(distance: number): Buffer {
  const bytes = [distance & 127];
  for (let rest = Math.floor(distance / 128); rest > 0; rest = Math.floor(rest / 128))
    bytes.unshift(128 | (--rest & 127));
  return Buffer.from(bytes);
}

function deltaOf(before: number, after: number, pieces: readonly Piece[]): Buffer {
  const chunks = [varint(before), varint(after)];
  for (const piece of pieces) {
    if ("insert" in piece) {
      for (let at = 0; at < piece.insert.length; at += 127) {
        const part = piece.insert.subarray(at, at + 127);
        chunks.push(Buffer.from([part.length]), part);
      }
      continue;
    }
    for (let at = piece.from; at < piece.to; at += 0xffff) chunks.push(copy(at, Math.min(0xffff, piece.to - at)));
  }
  return Buffer.concat(chunks);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push(128 | (rest & 127));
  }
}

/** The bits of the first byte say which bytes of offset and size follow. */
function copy(offset: number, size: number): Buffer {
  const bytes = [128];
  for (let place = 0; place < 4; place++) {
    const byte = (offset >>> (8 * place)) & 255;
    if (byte === 0) continue;
    bytes[0]! |= 1 << place;
    bytes.push(byte);
  }
  for (let place = 0; place < 2; place++) {
    const byte = (size >>> (8 * place)) & 255;
    if (byte === 0) continue;
    bytes[0]! |= 16 << place;
    bytes.push(byte);
  }
  return Buffer.from(bytes);
}
