// The entries of a directory: as the gateway mirrors them, or, where it cannot, by listing; and what is not told of an
// entry, looked for when it is in sight.
import { ListedDirectory } from "./listed.js";

/** What a mirror refuses for good and a listing does not. */
const LISTED_ONLY = new Set(["too_large", "no_changes", "bad_message"]);
/** A gateway, or a worker behind it, that is older and knows no snapshots says nothing. */
const PATIENCE_MS = 15_000;
/** An entry that has just changed may change again. */
const LOOK_MS = 500;
/** Looking takes this part of the time at most. */
const SHARE = 10;
/** What is not found so often is gone, or going. */
const MOST_LOOKS = 3;

/**
 * @typedef {{name: string, type?: "file" | "directory", size?: number, modified?: string}} Entry a member that is absent
 * is not known
 */

export class Directory {
  ready;
  #client;
  #connection;
  #path;
  #source;
  #listeners = new Set();
  #settle;
  #closed = false;
  #patience;
  /** What was found out, by what was told: another telling makes it void. */
  #found = new Map();
  #looks = new WeakMap();
  #wanted = new Set();
  #timer;
  #looking = false;
  #tookMs = 0;

  /** @param {import("../../client/browser/types.ts").Client} client */
  constructor(client, connection, path) {
    this.#client = client;
    this.#connection = connection;
    this.#path = path;
    this.ready = new Promise((resolve, reject) => {
      this.#settle = (error) => (error === undefined ? resolve() : reject(error));
    });
    this.ready.catch(() => undefined);
    const mirror = client.mirror(connection, path);
    this.#take(mirror, (error) => {
      if (LISTED_ONLY.has(error.code)) this.#list();
      else this.#settle(error);
    });
    this.#wait(mirror);
  }

  /** @returns {Entry[]} in no order */
  entries() {
    const entries = this.#source.entries();
    return this.#found.size === 0 ? entries : entries.map((entry) => this.#asFound(entry));
  }

  /** @returns {Entry | undefined} */
  get(name) {
    const entry = this.#source.get(name);
    return entry === undefined ? undefined : this.#asFound(entry);
  }

  /** `{type: "snapshot"}`, `{type: "changes", path, changes}`, `{type: "state", state}` or `{type: "found", names}`. */
  on(_event, listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Finds out, in a while, what is not known of these. @param {Iterable<string>} names */
  look(names) {
    for (const name of names) {
      const entry = this.#source.get(name);
      if (entry !== undefined && (this.#looks.get(entry) ?? 0) < MOST_LOOKS) this.#wanted.add(name);
    }
    if (this.#wanted.size > 0) this.#lookSoon();
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#patience);
    clearTimeout(this.#timer);
    this.#listeners.clear();
    void this.#source.close();
  }

  #take(source, onRefused) {
    this.#source = source;
    const current = (act) => (value) => this.#source === source && !this.#closed && act(value);
    source.on(
      "change",
      current((change) => {
        if (change.type === "snapshot") this.#found.clear();
        this.#tell(change);
      }),
    );
    source.ready.then(
      current(() => {
        clearTimeout(this.#patience);
        this.#settle();
      }),
      current((error) => {
        clearTimeout(this.#patience);
        onRefused(error);
      }),
    );
  }

  #list() {
    void this.#source.close();
    const listed = new ListedDirectory(this.#client, this.#connection, this.#path);
    this.#take(listed, (error) => this.#settle(error));
  }

  #wait(mirror) {
    this.#patience = setTimeout(() => {
      // Nobody has been asked yet.
      if (this.#client.status.state !== "open" || mirror.state === "gone") this.#wait(mirror);
      else this.#list();
    }, PATIENCE_MS);
  }

  #tell(change) {
    for (const listener of this.#listeners) listener(change);
  }

  #asFound(entry) {
    const found = this.#found.get(entry.name);
    return found?.of === entry ? found.entry : entry;
  }

  #lookSoon() {
    if (this.#timer !== undefined || this.#looking || this.#closed) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        void this.#look();
      },
      Math.max(LOOK_MS, SHARE * this.#tookMs),
    );
  }

  /** One page of a listing, from the first name on that is wanted. Never rejects. */
  async #look() {
    const wanted = new Map();
    for (const name of this.#wanted) {
      const entry = this.#source.get(name);
      if (entry === undefined) continue;
      wanted.set(name, entry);
      this.#looks.set(entry, (this.#looks.get(entry) ?? 0) + 1);
    }
    this.#wanted.clear();
    if (wanted.size === 0) return;
    this.#looking = true;
    const began = performance.now();
    try {
      const after = nameBefore([...wanted.keys()].reduce(smaller), this.#source.entries());
      const options = after === undefined ? {} : { after };
      const { entries } = await this.#client.list(this.#connection, this.#path, options);
      this.#tookMs = performance.now() - began;
      if (!this.#closed) this.#find(wanted, entries);
    } catch {
      // Asked again when it is drawn again.
    } finally {
      this.#looking = false;
    }
    if (this.#wanted.size > 0) this.#lookSoon();
  }

  #find(wanted, entries) {
    const names = [];
    for (const entry of entries) {
      const of = wanted.get(entry.name);
      // Told anew since: what was found may be older.
      if (of === undefined || this.#source.get(entry.name) !== of) continue;
      this.#found.set(entry.name, { of, entry });
      names.push(entry.name);
    }
    if (names.length > 0) this.#tell({ type: "found", names });
  }
}

/** Pages are in the order of UTF-16 units, which is that of `<`. */
const smaller = (a, b) => (a < b ? a : b);

function nameBefore(name, entries) {
  let before;
  for (const { name: other } of entries) {
    if (other < name && (before === undefined || other > before)) before = other;
  }
  return before;
}

/** Whether something of it can only be found by looking. */
export function isUnknown({ type, size, modified }) {
  return type === undefined || modified === undefined || (type === "file" && size === undefined);
}
