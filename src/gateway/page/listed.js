// The entries of a directory, by listing it and following what is told: for gateways that give no snapshots. The rule
// that makes it right: subscribe first, list second, and list again whatever the reason to doubt.

const RETRY_MS = 2_000;
const LONGEST_MS = 30_000;
/** It may be otherwise the next time. */
const PASSING = new Set(["unreachable", "limit", "internal", "timeout", "closed"]);

export class ListedDirectory {
  ready;
  #client;
  #connection;
  #path;
  #entries = new Map();
  #listeners = new Set();
  #subscription;
  #settle;
  #closed = false;
  #whole = false;
  #listing = false;
  #doubt = false;
  /** Told during a listing, which may know it or not. */
  #meanwhile = [];

  /** @param {import("../../client/browser/types.ts").Client} client */
  constructor(client, connection, path) {
    this.#client = client;
    this.#connection = connection;
    this.#path = path;
    this.ready = new Promise((resolve, reject) => {
      this.#settle = (error) => (error === undefined ? resolve() : reject(error));
    });
    this.ready.catch(() => undefined);
    this.#subscription = client.subscribe(connection, path, {
      detail: "changes",
      onChange: ({ changes = [] }) => this.#follow(changes),
      onResync: () => void this.#refresh(),
      onState: ({ state }) => {
        if (state === "gone" || state === "denied") this.#entries = new Map();
        this.#tell({ type: "state", state });
        // What went and is back may be another.
        if (state === "live") void this.#refresh();
      },
    });
    this.#subscription.ready.then(() => this.#refresh(), this.#settle);
  }

  entries() {
    return [...this.#entries.values()];
  }

  get(name) {
    return this.#entries.get(name);
  }

  on(_event, listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close() {
    this.#closed = true;
    this.#subscription.close();
    this.#listeners.clear();
  }

  #follow(changes) {
    if (this.#listing) this.#meanwhile.push(...changes);
    for (const change of changes) apply(this.#entries, change);
    this.#tell({ type: "changes", path: this.#path, changes });
  }

  /** Never rejects. */
  async #refresh() {
    this.#doubt = true;
    if (this.#listing) return;
    this.#listing = true;
    let wait = RETRY_MS;
    while (this.#doubt && !this.#closed) {
      this.#doubt = false;
      this.#meanwhile = [];
      try {
        await this.#list();
      } catch (error) {
        if (this.#closed) return;
        if (!PASSING.has(error.code)) {
          this.#settle(error);
          break;
        }
        this.#doubt = true;
        await new Promise((resolve) => setTimeout(resolve, wait));
        wait = Math.min(LONGEST_MS, 2 * wait);
      }
    }
    this.#listing = false;
  }

  async #list() {
    const entries = new Map();
    let after;
    do {
      const options = after === undefined ? {} : { after };
      const page = await this.#client.list(this.#connection, this.#path, options);
      if (this.#closed) return;
      for (const entry of page.entries) entries.set(entry.name, entry);
      after = page.next;
    } while (after !== undefined);
    for (const change of this.#meanwhile) apply(entries, change);
    this.#entries = entries;
    this.#whole = true;
    this.#tell({ type: "snapshot" });
    this.#settle();
  }

  #tell(change) {
    if (!this.#whole && change.type !== "state") return;
    for (const listener of this.#listeners) listener(change);
  }
}

function apply(entries, { action, name, oldName, type, size, modified }) {
  const before = entries.get(oldName ?? name);
  if (oldName !== undefined) entries.delete(oldName);
  if (action === "removed") {
    entries.delete(name);
    return;
  }
  if (action === "ready" && before === undefined) return;
  // Renamed, it is what it was. Else only what was said now is known of it, but for a folder, which stays one.
  const kept = action === "renamed" || action === "ready" ? before : { type: before?.type };
  const now = { ...kept, name };
  for (const [key, value] of Object.entries({ type, size, modified }))
    if (value !== undefined) now[key] = value;
  entries.set(name, now);
}
