import WebSocket from "ws";

export interface Frame {
  readonly type: string;
  readonly [key: string]: unknown;
}

/** A WebSocket client that keeps every frame, and waits for frames within a bound. */
export class WsClient {
  readonly frames: Frame[] = [];
  readonly socket: WebSocket;
  readonly #waiting = new Set<() => void>();
  closed: { readonly code: number; readonly reason: string } | undefined;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on("message", (data) => {
      this.frames.push(JSON.parse(String(data)) as Frame);
      this.#wake();
    });
    socket.on("close", (code, reason) => {
      this.closed = { code, reason: String(reason) };
      this.#wake();
    });
    socket.on("error", () => undefined);
  }

  static async open(
    url: string,
    options: { readonly protocols?: string[]; readonly headers?: Record<string, string> } = {},
  ): Promise<WsClient> {
    const socket = new WebSocket(url, options.protocols ?? [], { headers: options.headers ?? {} });
    const client = new WsClient(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once("open", resolve);
      socket.once("error", reject);
    });
    return client;
  }

  send(frame: unknown): void {
    this.socket.send(typeof frame === "string" ? frame : JSON.stringify(frame));
  }

  /** Subscribes, in more than Sambee's words unless `options` is empty, and waits for the answer to it. */
  async subscribe(path: string, options: Record<string, unknown> = { detail: "none" }): Promise<Frame> {
    const from = this.frames.length;
    this.send({ action: "subscribe", connection_id: "lab", path, ...options });
    return this.next(
      (frame) => (frame.type === "subscribed" || frame.type === "error") && frame["path"] === path,
      {
        from,
      },
    );
  }

  /** The first frame from index `from` on that matches. @throws Error after `timeoutMs` (default 20 s) with what did arrive. */
  async next(
    match: (frame: Frame) => boolean,
    options: { readonly from?: number; readonly timeoutMs?: number } = {},
  ): Promise<Frame> {
    let index = options.from ?? 0;
    const deadline = Date.now() + (options.timeoutMs ?? 20_000);
    for (;;) {
      for (; index < this.frames.length; index++) {
        const frame = this.frames[index];
        if (frame !== undefined && match(frame)) return frame;
      }
      const left = deadline - Date.now();
      if (left <= 0 || this.closed !== undefined) {
        const tail = this.frames.slice(-10).map((frame) => JSON.stringify(frame));
        throw new Error(
          `no such frame; closed: ${JSON.stringify(this.closed)}; last frames:\n${tail.join("\n")}`,
        );
      }
      await this.#changed(left);
    }
  }

  /** Every change told for a directory so far, in order (needs `detail: "changes"`). */
  changes(path: string): { action: string; name: string; oldName?: string }[] {
    return this.frames
      .filter((frame) => frame.type === "directory_changed" && frame["path"] === path)
      .flatMap((frame) => (frame["changes"] ?? []) as { action: string; name: string }[]);
  }

  async close(): Promise<void> {
    if (this.closed !== undefined) return;
    const closed = new Promise<void>((resolve) => this.socket.once("close", () => resolve()));
    this.socket.close();
    const timer = setTimeout(() => this.socket.terminate(), 2_000);
    await closed;
    clearTimeout(timer);
  }

  #changed(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      this.#waiting.add(wake);
    });
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }
}
