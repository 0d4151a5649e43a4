/** The seam behind which commits are made and the ref is moved, so that another way of writing can take its place. */

/** One commit, ready to be written: redacted, quoted, dated. The same draft on the same parent is the same commit. */
export interface Draft {
  author: string;
  committer: string;
  /** Seconds since 1970. */
  authored: number;
  committed: number;
  message: string;
  /** Full paths in the tree; null removes. */
  changes: { path: string; content: Buffer | null }[];
}

/** How a salt begins: by it a pack that holds nothing else is known as ours. */
export const SALT = "coxswain tries again ";

export interface Writer {
  /**
   * Commits the drafts, each on the one before, the first on `parent`, and moves the ref to the last if the ref has no
   * commit that the new ones lack. Resolves with the ids once objects and ref are written: whether the ref moved must
   * be read back. Throws {@link WriterDied} when the process went; the same call may then be made of a new writer.
   *
   * The call after one that failed gives a `salt` of its own: the pack must not get the name of the failed one, of
   * which a `git gc` may have found half and be about to delete it by its name.
   */
  write(parent: string | null, drafts: readonly Draft[], salt?: string): Promise<string[]>;
  /** Batches written so far. */
  readonly batches: number;
  /** Ends it in good order. */
  end(): Promise<void>;
  /** Ends it at once, publishing nothing more. */
  kill(): Promise<void>;
  /** Of its process, for tests and reports. */
  readonly pid: number | undefined;
}

export class WriterDied extends Error {
  override name = "WriterDied";
}
