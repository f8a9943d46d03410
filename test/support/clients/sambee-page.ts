import { WebSocket } from "ws";

/** `FileBrowser.tsx` of Sambee 1.0.9: after each drop the next attempt waits for the next of these, and an opened socket begins anew. */
const RECONNECT_MS = [500, 1_000, 2_000, 5_000] as const;
/** `useFileBrowserPane.ts`: a reload is dropped so soon after one that the user's own work caused. */
const RELOAD_DEDUP_MS = 2_000;

export interface SambeePageOptions {
  /** Of the socket, with the token. */
  readonly url: () => string;
  readonly connection: string;
  readonly path: string;
  /** What Sambee's own listing says now. @throws where Sambee shows an error */
  readonly list: () => Promise<readonly string[]>;
}

/**
 * What Sambee's page does with its socket, written from its behaviour: lists when a directory is opened, subscribes as soon as the
 * socket is open, never lists because a socket came back, knows `directory_changed` and nothing else.
 */
export class SambeePage {
  readonly #options: SambeePageOptions;
  #socket: WebSocket | undefined;
  #attempt = 0;
  #timer: NodeJS.Timeout | undefined;
  #listings = 0;
  #ownWorkAt = Number.NEGATIVE_INFINITY;
  #disposed = false;
  /** Names, or the error in their place. */
  shown: readonly string[] | "error" = "error";
  /** Sockets opened so far. */
  opened: number = 0;

  constructor(options: SambeePageOptions) {
    this.#options = options;
    this.#reload();
    this.#connect();
  }

  get connected(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** The user made or removed something here: the page lists by itself. */
  ownWork(): void {
    this.#ownWorkAt = performance.now();
    this.#reload();
  }

  close(): void {
    this.#disposed = true;
    clearTimeout(this.#timer);
    this.#socket?.terminate();
  }

  #connect(): void {
    const { connection, path, url } = this.#options;
    const socket = new WebSocket(url());
    this.#socket = socket;
    socket.on("open", () => {
      this.#attempt = 0;
      this.opened++;
      // Its backend counts as back, and panes reload what they show: from then on it drops what comes soon.
      if (this.opened > 1) this.ownWork();
      socket.send(JSON.stringify({ action: "subscribe", connection_id: connection, path }));
    });
    socket.on("message", (data) => {
      const frame = JSON.parse(String(data)) as Readonly<Record<string, unknown>>;
      if (frame["type"] !== "directory_changed") return;
      if (frame["connection_id"] !== connection || frame["path"] !== path) return;
      if (performance.now() - this.#ownWorkAt >= RELOAD_DEDUP_MS) this.#reload();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      if (this.#disposed) return;
      const wait = RECONNECT_MS[Math.min(this.#attempt++, RECONNECT_MS.length - 1)];
      this.#timer = setTimeout(() => this.#connect(), wait);
    });
  }

  /** The latest listing counts; what an earlier one brings is dropped. */
  #reload(): void {
    const listing = ++this.#listings;
    this.#options.list().then(
      (names) => {
        if (listing === this.#listings) this.shown = [...names].sort();
      },
      () => {
        if (listing === this.#listings) this.shown = "error";
      },
    );
  }
}
