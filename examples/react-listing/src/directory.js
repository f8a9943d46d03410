// One directory, kept the same as the share. Knows no React: what it has is a snapshot and listeners.

const EMPTY = Object.freeze({ status: "loading", entries: Object.freeze([]) });
/** A directory that changes all the time is not listed more often than this. */
const REST_MS = 300;
const RETRY_MS = 2_000;

/**
 * The rule that makes it right: subscribe first, list second, and list again whatever the reason to doubt:
 * a change, a resync, or a listing that failed. A change during a listing leads to another one.
 */
export class Directory {
  #client;
  #connection;
  #path;
  #listeners = new Set();
  #snapshot = EMPTY;
  /** What is running belongs to this; a new one each time the first listener comes. */
  #session;

  /**
   * @param {import("smb2nats/client").Client} client
   * @param {string} connection
   * @param {string} path
   */
  constructor(client, connection, path) {
    this.#client = client;
    this.#connection = connection;
    this.#path = path;
  }

  /** For `useSyncExternalStore`: watches from the first listener to the last. */
  subscribe = (listener) => {
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) this.#open();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#close();
    };
  };

  /** `{ status, entries, error? }`, the same object until something changes. */
  getSnapshot = () => this.#snapshot;

  #open() {
    const session = { listing: false, doubt: false, timer: undefined, subscription: undefined };
    this.#session = session;
    const refresh = () => void this.#refresh(session);
    session.subscription = this.#client.subscribe(this.#connection, this.#path, {
      onChange: refresh,
      onResync: refresh,
      onState: ({ state, error }) => this.#set(session, { status: state, error }),
      onError: ({ code, message }) => this.#set(session, { status: code, error: message }),
    });
    // Refused: `onError` has said so.
    session.subscription.ready.then(refresh, () => undefined);
  }

  #close() {
    clearTimeout(this.#session.timer);
    this.#session.subscription.close();
    this.#session = undefined;
  }

  async #refresh(session) {
    session.doubt = true;
    if (session.listing || session !== this.#session) return;
    session.listing = true;
    session.doubt = false;
    let rest = REST_MS;
    try {
      const entries = await this.#list();
      this.#set(session, { status: "live", entries, error: undefined });
    } catch (error) {
      // What changed meanwhile was told to nobody who listed: the doubt stays until a listing is through.
      session.doubt = true;
      rest = RETRY_MS;
      this.#set(session, { error: error.message });
    }
    if (session !== this.#session) return;
    session.timer = setTimeout(() => {
      session.listing = false;
      if (session.doubt) void this.#refresh(session);
    }, rest);
  }

  async #list() {
    const entries = [];
    let after;
    do {
      const page = await this.#client.list(
        this.#connection,
        this.#path,
        after === undefined ? {} : { after },
      );
      entries.push(...page.entries);
      after = page.next;
    } while (after !== undefined);
    const order = new Intl.Collator(undefined, { numeric: true });
    return entries.sort(
      (a, b) =>
        Number(b.type === "directory") - Number(a.type === "directory") || order.compare(a.name, b.name),
    );
  }

  #set(session, change) {
    if (session !== this.#session) return;
    this.#snapshot = Object.freeze({ ...this.#snapshot, ...change });
    for (const listener of this.#listeners) listener();
  }
}
