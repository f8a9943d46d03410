import { joinPath } from "../base/path.ts";
import { jsonText } from "../base/printable.ts";
import type { WatchTarget } from "../fleet/port.ts";
import type { Interest } from "../watch/interest.ts";
import type { Looks } from "../watch/mirror/index.ts";
import type { Breather } from "../watch/pacing.ts";
import type { RowCursor } from "../watch/picture/index.ts";
import type { EntryInfo } from "../watch/source.ts";
import { EntryWriter, entryText } from "./entry-writer.ts";
import type { ToldSnapshot } from "./local-watch.ts";

/** Of a message, whatever the server lets through: encoding it must not hold up everything else. */
const MOST_BYTES = 262_144;
const TURN = 256;

export interface PagesOptions {
  readonly target: WatchTarget;
  readonly picture: ToldSnapshot;
  readonly looks: Looks;
  readonly servedBy: Interest;
  /** Of the NATS server, bytes. */
  readonly maxPayload: number;
  readonly breather: Breather;
  readonly signal: AbortSignal;
}

/** The messages of a snapshot, all but their ends: whether a message is the last one shows when the next is asked for. */
export async function* snapshotPages(options: PagesOptions): AsyncGenerator<Page, void, undefined> {
  const { picture, looks, breather, signal } = options;
  const { withheld } = picture;
  const writer = new PageWriter(options);
  let turn = 0;
  for (const { path, snapshot } of picture.directories) {
    const full = writer.directory(path, snapshot === undefined);
    if (full !== undefined) yield full;
    const seen = looks.get(path);
    const row = snapshot?.cursor();
    while (row?.next()) {
      if (withheld.size > 0 && withheld.has(joinPath(path, row.name))) continue;
      const page = writer.entry(row, seen);
      if (page !== undefined) yield page;
      if (++turn % TURN === 0) await breather.after(TURN, signal);
    }
  }
  yield writer.rest();
}

/** One message. */
export class Page {
  readonly #buffer: Buffer;
  readonly #end: number;

  /** @param end - of what is written; behind it is room for `END_BYTES` */
  constructor(buffer: Buffer, end: number) {
    this.#buffer = buffer;
    this.#end = end;
  }

  /** @param stored - absent: more follow */
  encode(stored?: boolean): Uint8Array {
    const text = stored === undefined ? "}" : `,"last":true,"stored":${stored}}`;
    return this.#buffer.subarray(0, this.#end + this.#buffer.write(text, this.#end));
  }
}

/** `,"last":true,"stored":false}` */
const END_BYTES = 32;
/** `]}` of a directory, `]` of all. */
const CLOSE_BYTES = 3;

class PageWriter {
  readonly #head: string;
  /** Of a message. */
  readonly #size: number;
  readonly #entries = new EntryWriter();
  #page = 0;
  #buffer: Buffer = Buffer.alloc(0);
  #at = 0;
  /** Nothing but the head is written yet. */
  #empty = true;
  #path = "";
  /** The open directory is the first one of the message. */
  #alone = true;
  /** A directory is open: whether it has an entry. */
  #open: "empty" | "filled" | undefined;

  constructor({ target, picture, servedBy, maxPayload }: PagesOptions) {
    const { connection, path, recursive } = target;
    const { epoch, told } = picture;
    this.#head = jsonText({ connection, path, recursive, epoch, told, servedBy }).slice(0, -1);
    this.#size = Math.min(MOST_BYTES, maxPayload);
    this.#begin();
  }

  directory(path: string, tooLarge: boolean): Page | undefined {
    this.#close();
    this.#path = path;
    return this.#enter(tooLarge ? ',"tooLarge":true' : "");
  }

  /** @param seen - see `shownEntry` */
  entry(row: RowCursor, seen: ReadonlyMap<string, EntryInfo> | undefined): Page | undefined {
    const room = this.#entries.room(row);
    const text = room === undefined ? entryText(row, seen?.get(row.name)) : undefined;
    const bytes = 1 + (text === undefined ? (room ?? 0) : Buffer.byteLength(text));
    let full: Page | undefined;
    if (!this.#fits(bytes) && (this.#open === "filled" || !this.#alone)) {
      this.#close();
      full = this.#flush();
      this.#enter("");
    }
    this.#reserve(bytes);
    if (this.#open === "filled") this.#text(",");
    this.#open = "filled";
    if (text === undefined) this.#at = this.#entries.write(row, this.#buffer, this.#at);
    else this.#text(text);
    return full;
  }

  rest(): Page {
    this.#close();
    return this.#flush();
  }

  #enter(more: string): Page | undefined {
    const text = `{"path":${jsonText(this.#path)}${more},"entries":[`;
    const bytes = Buffer.byteLength(text) + 1;
    const full = this.#fits(bytes) || this.#empty ? undefined : this.#flush();
    this.#reserve(bytes);
    this.#text(this.#empty ? text : `,${text}`);
    this.#alone = this.#empty;
    this.#empty = false;
    this.#open = "empty";
    return full;
  }

  #close(): void {
    if (this.#open !== undefined) this.#text("]}");
    this.#open = undefined;
  }

  #begin(): void {
    const text = `${this.#head},"page":${this.#page++},"directories":[`;
    this.#buffer = Buffer.allocUnsafe(
      Math.max(this.#size, Buffer.byteLength(text) + CLOSE_BYTES + END_BYTES),
    );
    this.#at = this.#buffer.write(text);
    this.#empty = true;
  }

  #flush(): Page {
    this.#text("]");
    const page = new Page(this.#buffer, this.#at);
    this.#begin();
    return page;
  }

  #fits(bytes: number): boolean {
    return this.#at + bytes + CLOSE_BYTES + END_BYTES <= this.#size;
  }

  /** Where not even one entry fits into a message, the message is larger, and sending it fails. */
  #reserve(bytes: number): void {
    const needed = this.#at + bytes + CLOSE_BYTES + END_BYTES;
    if (needed > this.#buffer.length) this.#buffer = Buffer.concat([this.#buffer], needed);
  }

  #text(text: string): void {
    this.#at += this.#buffer.write(text, this.#at);
  }
}
