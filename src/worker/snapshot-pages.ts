import { joinPath } from "../base/path.ts";
import { jsonText } from "../base/printable.ts";
import type { WatchTarget } from "../fleet/port.ts";
import type { Interest } from "../watch/interest.ts";
import { type Looks, shownEntry } from "../watch/mirror/index.ts";
import type { Breather } from "../watch/pacing.ts";
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
  const writer = new PageWriter(options);
  let turn = 0;
  for (const { path, snapshot } of picture.directories) {
    const full = writer.directory(path, snapshot === undefined);
    if (full !== undefined) yield full;
    const seen = looks.get(path);
    for (const { name, flags, facts } of snapshot?.shown() ?? []) {
      if (picture.withheld.size > 0 && picture.withheld.has(joinPath(path, name))) continue;
      const page = writer.entry(jsonText(shownEntry(name, flags, facts, seen?.get(name))));
      if (page !== undefined) yield page;
      if (++turn % TURN === 0) await breather.after(TURN, signal);
    }
  }
  yield writer.rest();
}

/** One message. */
export class Page {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** @param stored - absent: more follow */
  encode(stored?: boolean): Uint8Array {
    return Buffer.from(
      stored === undefined ? `${this.#text}}` : `${this.#text},"last":true,"stored":${stored}}`,
    );
  }
}

/** `,"last":true,"stored":false}` */
const END_BYTES = 32;

class PageWriter {
  readonly #head: string;
  readonly #room: number;
  #page = 0;
  #text = "";
  #bytes = 0;
  /** How a directory begins that is not closed yet. */
  #open = "";
  #path = "";
  #first = true;

  constructor({ target, picture, servedBy, maxPayload }: PagesOptions) {
    const { connection, path, recursive } = target;
    const { epoch, told } = picture;
    const head = jsonText({ connection, path, recursive, epoch, told, servedBy });
    this.#head = head.slice(0, -1);
    // The number of the message, and the frame around the directories.
    this.#room = Math.min(MOST_BYTES, maxPayload) - Buffer.byteLength(head) - END_BYTES - 48;
  }

  directory(path: string, tooLarge: boolean): Page | undefined {
    this.#close();
    const text = `{"path":${jsonText(path)}${tooLarge ? ',"tooLarge":true' : ""},"entries":[`;
    const bytes = Buffer.byteLength(text) + 3;
    const full = this.#bytes > 0 && this.#bytes + bytes > this.#room ? this.#flush() : undefined;
    this.#path = path;
    this.#begin(text, bytes);
    return full;
  }

  entry(json: string): Page | undefined {
    const bytes = Buffer.byteLength(json) + 1;
    let full: Page | undefined;
    if (!this.#first && this.#bytes + bytes > this.#room) {
      this.#close();
      full = this.#flush();
      const text = `{"path":${jsonText(this.#path)},"entries":[`;
      this.#begin(text, Buffer.byteLength(text) + 3);
    }
    this.#text += this.#first ? json : `,${json}`;
    this.#bytes += bytes;
    this.#first = false;
    return full;
  }

  rest(): Page {
    this.#close();
    return this.#flush();
  }

  #begin(text: string, bytes: number): void {
    this.#text += this.#text === "" ? text : `,${text}`;
    this.#bytes += bytes;
    this.#open = text;
    this.#first = true;
  }

  #close(): void {
    if (this.#open !== "") this.#text += "]}";
    this.#open = "";
  }

  #flush(): Page {
    const page = new Page(`${this.#head},"page":${this.#page++},"directories":[${this.#text}]`);
    this.#text = "";
    this.#bytes = 0;
    return page;
  }
}
