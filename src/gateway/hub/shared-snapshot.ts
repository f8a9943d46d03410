import type { Cursor } from "../../fleet/port.ts";
import type { MirrorBase, MirrorEntry, MirroredDirectory } from "../../watch/mirror/index.ts";

/** Bytes of entries in one frame. One entry may pass it. */
const FRAME_BYTES = 65_536;
/** Frames whose text is kept for who is next, in total of one snapshot. */
const KEPT_FRAMES = 256;

/** What a frame says beside its entries. */
export interface SnapshotWords {
  readonly connectionId: string;
  readonly path: string;
  readonly reason: string;
  /** To resume from; of the last frame. */
  readonly cursor: string | undefined;
}

interface Place {
  readonly directory: number;
  readonly entry: number;
  readonly page: number;
}

interface MadeFrame {
  readonly text: string;
  readonly next: Place | undefined;
}

/**
 * A mirror at one instant, as text for sockets: frozen without a copy, made while it is sent, and kept for others who
 * ask before something changes. Who is still sending after that makes his own, so that old texts take no memory.
 */
export class SharedSnapshot {
  readonly base: MirrorBase;
  /** Of the newest message that is in it. */
  readonly cursor: Cursor | undefined;
  readonly #ignoreCase: boolean;
  readonly #directories: readonly MirroredDirectory[];
  #kept: Map<string, MadeFrame> | undefined = new Map();

  constructor(options: {
    readonly base: MirrorBase;
    readonly cursor: Cursor | undefined;
    readonly ignoreCase: boolean;
    readonly directories: readonly MirroredDirectory[];
  }) {
    this.base = options.base;
    this.cursor = options.cursor;
    this.#ignoreCase = options.ignoreCase;
    this.#directories = options.directories;
  }

  /** Nobody will ask for it any more. */
  retire(): void {
    this.#kept = undefined;
  }

  *frames(words: SnapshotWords): IterableIterator<string> {
    const head =
      `{"type":"snapshot","connection_id":${JSON.stringify(words.connectionId)}` +
      `,"path":${JSON.stringify(words.path)},`;
    const key = JSON.stringify(words);
    let place: Place | undefined = { directory: 0, entry: 0, page: 0 };
    while (place !== undefined) {
      const made: MadeFrame = this.#frame(place, { head, key, words });
      yield made.text;
      place = made.next;
    }
  }

  #frame(
    place: Place,
    about: { readonly head: string; readonly key: string; readonly words: SnapshotWords },
  ): MadeFrame {
    const key = `${place.page} ${about.key}`;
    const kept = this.#kept?.get(key);
    if (kept !== undefined) return kept;
    const made = this.#make(place, about.head, about.words);
    if (this.#kept !== undefined && this.#kept.size < KEPT_FRAMES) this.#kept.set(key, made);
    return made;
  }

  #make({ directory, entry, page }: Place, head: string, { reason, cursor }: SnapshotWords): MadeFrame {
    const { path, entries, tooLarge } = this.#directories[directory] as MirroredDirectory;
    const { list, end } = listed(entries, entry);
    const next = this.#after(directory, entries.length, end, page + 1);
    const text =
      `${head}"directory":${JSON.stringify(path)},"page":${page}` +
      (page === 0 ? `,"reason":${JSON.stringify(reason)}` : "") +
      (page === 0 && this.#ignoreCase ? `,"ignoreCase":true` : "") +
      (tooLarge === true ? `,"tooLarge":true` : "") +
      `,"entries":[${list}]` +
      (next !== undefined
        ? `,"more":true`
        : cursor === undefined
          ? ""
          : `,"cursor":${JSON.stringify(cursor)}`) +
      "}";
    return { text, next };
  }

  #after(directory: number, entries: number, end: number, page: number): Place | undefined {
    if (end < entries) return { directory, entry: end, page };
    return directory + 1 < this.#directories.length
      ? { directory: directory + 1, entry: 0, page }
      : undefined;
  }
}

/** As many entries as one frame takes, as JSON. */
function listed(
  entries: readonly MirrorEntry[],
  from: number,
): { readonly list: string; readonly end: number } {
  const texts: string[] = [];
  let bytes = 0;
  let end = from;
  for (; end < entries.length; end++) {
    const text = JSON.stringify(entries[end]);
    bytes += Buffer.byteLength(text) + 1;
    if (bytes > FRAME_BYTES && texts.length > 0) break;
    texts.push(text);
  }
  return { list: texts.join(","), end };
}
