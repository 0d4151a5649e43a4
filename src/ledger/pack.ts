/**
 * A pack of our own making, with its index: gitformat-pack. Objects are whole, but folders, which may be told as what
 * changed in the one before (OFS_DELTA), since a folder of ten thousand files is the largest thing in it.
 */
import { createHash } from "node:crypto";
import { crc32, deflateSync } from "node:zlib";
import type { Encoded, Piece } from "./tree.ts";

export type ObjectFormat = "sha1" | "sha256";
export interface Pack {
  /** Of its content, in hex; part of its file names. */
  name: string;
  pack: Buffer[];
  index: Buffer[];
}

const TYPES = { commit: 1, tree: 2, blob: 3, delta: 6 };
/** Beyond this, compressing costs more time than the disk: half of a folder's bytes are ids. It is repacked soon. */
const LARGE = 32 * 1024;
const STORED = { level: 0 };
/** For most objects, to make room for a large window takes longer than to compress them. */
const SMALL = 4096;
const QUICK = { level: 1, windowBits: 12, memLevel: 5, chunkSize: 4096 };
const SMALLEST_DELTA_BASE = 512;
const DEEPEST = 40;

export class PackBuilder {
  private readonly format: ObjectFormat;
  private readonly chunks: Buffer[] = [Buffer.alloc(12)];
  private readonly objects = new Map<string, { offset: number; crc: number; depth: number }>();
  /** Bytes so far. */
  size = 12;

  constructor(format: ObjectFormat) {
    this.format = format;
  }

  blob(content: Buffer): string {
    return this.add("blob", content);
  }

  commit(content: Buffer): string {
    return this.add("commit", content);
  }

  tree({ bytes, from }: Encoded): string {
    const id = objectId(this.format, "tree", bytes);
    if (this.objects.has(id)) return id;
    const base = from && this.objects.get(from.id);
    if (!base || from.bytes.length < SMALLEST_DELTA_BASE || base.depth >= DEEPEST) {
      this.put(id, header(TYPES.tree, bytes.length), bytes, 0);
      return id;
    }
    const delta = deltaOf(from.bytes.length, bytes.length, from.pieces);
    const head = Buffer.concat([header(TYPES.delta, delta.length), backwards(this.size - base.offset)]);
    this.put(id, head, delta, base.depth + 1);
    return id;
  }

  finish(): Pack {
    const count = this.objects.size;
    const [first] = this.chunks;
    first?.write("PACK", "latin1");
    first?.writeUInt32BE(2, 4);
    first?.writeUInt32BE(count, 8);
    const checksum = hashOf(this.format, this.chunks);
    const pack = [...this.chunks, checksum];
    return { name: checksum.toString("hex"), pack, index: this.index(checksum) };
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

  private add(type: "blob" | "commit", content: Buffer): string {
    const id = objectId(this.format, type, content);
    if (!this.objects.has(id)) this.put(id, header(TYPES[type], content.length), content, 0);
    return id;
  }

  private put(id: string, head: Buffer, content: Buffer, depth: number): void {
    const body = deflateSync(content, content.length > LARGE ? STORED : content.length < SMALL ? QUICK : { level: 1 });
    this.objects.set(id, { offset: this.size, crc: crc32(body, crc32(head)), depth });
    this.chunks.push(head, body);
    this.size += head.length + body.length;
  }
}

export function objectId(format: ObjectFormat, type: "blob" | "tree" | "commit", content: Buffer): string {
  return createHash(format).update(`${type} ${content.length}\0`).update(content).digest("hex");
}

function hashOf(format: ObjectFormat, chunks: readonly Buffer[]): Buffer {
  const hash = createHash(format);
  for (const chunk of chunks) hash.update(chunk);
  return hash.digest();
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
