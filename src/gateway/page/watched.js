// One panel and what it watches: follows the directory, shows its entries, writes the log, goes where one goes.
import { Directory } from "./directory.js";
import { Panel } from "./panel.js";
import { isWithin, join, nameOf, parentOf } from "./paths.js";

/** A subscription refused for one of these is tried again by the client. */
const TRIED_AGAIN = new Set(["unreachable", "limit", "internal", "timeout"]);
const STATE_TEXT = {
  live: "watched again",
  degraded: "not watched at the moment",
  gone: "the directory is gone; it is watched again when it is back",
  denied: "the file server refuses access",
  unreachable: "the file server cannot be reached; trying again",
};

/** In the place of entries. */
const NOTES = {
  gone: "The directory is gone. It is shown again when it is back.",
  denied: "The file server refuses access.",
};

export class Watched {
  connection;
  /** What is watched. */
  path;
  recursive;
  /** What is shown of it: another only where all below is watched. */
  at;
  panel;
  #client;
  #onMove;
  #subscription;
  #directory;
  /** What is shown came from here. */
  #shown;
  #note;
  #wasLive = false;

  /** @param {{connection: string, path: string, recursive: boolean, at?: string, onClose: () => void, onMove: () => void}} options */
  constructor({ connection, path, recursive, at, onClose, onMove }) {
    Object.assign(this, { connection, path, recursive, at: path });
    if (recursive && at !== undefined && isWithin(at, path)) this.at = at;
    this.#onMove = onMove;
    this.panel = new Panel({
      recursive,
      onClose,
      onRetry: () => this.start(this.#client),
      onGo: (to) => this.go(to),
      onOpen: (entry) => entry.type === "directory" && this.go(join(this.at, entry.name)),
      onParent: () => {
        const parent = parentOf(this.at);
        if (parent !== undefined) this.go(parent);
      },
    });
    this.panel.setPath(this);
  }

  /** With a session, which may be another one than before. */
  start(client) {
    this.#client = client;
    this.#subscribe();
    this.#open();
  }

  /**
   * Shows another directory, and watches it where it is not.
   * @param {{stepped?: boolean}} [how] `stepped`: the browser went, and knows
   */
  go(to, { stepped = false } = {}) {
    if (to === this.at || (this.recursive && !isWithin(to, this.path))) return;
    const from = this.at;
    this.at = to;
    if (!this.recursive) {
      this.path = to;
      this.#wasLive = false;
      this.panel.log.reset();
      this.#subscribe();
    }
    this.panel.setPath(this);
    // Whoever goes up is at where he comes from.
    this.#open(parentOf(from) === to ? nameOf(from) : undefined);
    if (stepped) return;
    this.panel.files.focus();
    this.#onMove();
  }

  close() {
    this.#subscription?.close();
    this.#directory?.close();
    this.panel.root.remove();
  }

  #open(wanted) {
    this.#directory?.close();
    const { connection, at } = this;
    const { files } = this.panel;
    const key = JSON.stringify([connection, at]);
    const again = key === this.#shown;
    this.#shown = key;
    const directory = new Directory(this.#client, connection, at);
    this.#directory = directory;
    this.#note = undefined;
    files.setNote(undefined);
    if (again) files.follow(directory);
    else files.open(directory, wanted);
    const current = (act) => (value) => this.#directory === directory && act(value);
    directory.on(
      "change",
      current((change) => this.#show(change)),
    );
    directory.ready.then(
      current(() => {
        files.reload();
        // Once the rows are there.
        if (!again) requestAnimationFrame(() => requestAnimationFrame(() => this.panel.sayOpened(at)));
      }),
      current((error) => {
        files.setNote(noteOf(error));
        files.reload();
      }),
    );
  }

  #show(change) {
    const { files } = this.panel;
    switch (change.type) {
      case "changes":
        files.change(change.changes);
        return;
      case "found":
        files.refresh(change.names);
        return;
      case "state": {
        const note = NOTES[change.state];
        files.setNote(note);
        // Nothing is there to be seen, or something again.
        if (note !== this.#note) files.reload();
        this.#note = note;
        return;
      }
      default:
        files.reload();
    }
  }

  #subscribe() {
    this.#subscription?.close();
    const { connection, path, recursive, panel } = this;
    const { log } = panel;
    const where = (directory) => (recursive && directory !== path ? { where: directory } : {});
    panel.setState("arming", "arming");
    if (this.#wasLive) {
      // Another session knows nothing of where the last one ended.
      log.add({ action: "resync", note: "not told one by one: connected anew" });
    }
    try {
      const subscription = this.#client.subscribe(connection, path, {
        recursive,
        detail: "changes",
        onChange({ changes = [], directory }) {
          for (const { action, name, oldName } of changes) {
            log.add({
              action,
              name,
              ...(oldName === undefined ? {} : { from: oldName }),
              ...where(directory),
            });
          }
        },
        onResync: ({ reason, directory }) =>
          log.add({ action: "resync", note: `not told one by one: ${reason}`, ...where(directory) }),
        onState: ({ state, mode, error, late, directory }) => {
          const polling = mode === "poll" ? ", by polling" : "";
          if (directory === path || !recursive) panel.setState(state, state + polling);
          log.add({
            action: "state",
            note: (state === "live" && !this.#wasLive ? "watched" : STATE_TEXT[state]) + polling,
            ...more(error, late),
            ...where(directory),
          });
        },
        onError(error) {
          const again = TRIED_AGAIN.has(error.code);
          panel.setState(again ? "unreachable" : "ended", error.code.replaceAll("_", " "));
          log.add({ action: "error", note: error.message + (again ? "; trying again" : "") });
        },
      });
      this.#subscription = subscription;
      subscription.ready.then(
        () => {
          if (this.#subscription !== subscription) return;
          this.#wasLive = true;
          panel.setState("live", "live");
        },
        () => undefined,
      );
    } catch (error) {
      panel.setState("ended", error.message);
    }
  }
}

/** What is wrong, or what comes late. */
function more(error, late) {
  if (error !== undefined) return { more: error };
  return late === undefined
    ? {}
    : { more: `what is done on the server itself is told up to ${late.names} s late` };
}

function noteOf({ code, message }) {
  return code === undefined ? message : `${code.replaceAll("_", " ")}: ${message}`;
}
