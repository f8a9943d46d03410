import { connect, type Socket } from "node:net";
import { throwIfAborted, waitFor } from "../../base/async.ts";
import { stages } from "../../base/channels.ts";
import type { Clock } from "../../base/clock.ts";
import { AbortedError, DeadlineError } from "../../base/errors.ts";
import { FrameSplitter, frame } from "../../codec/frame.ts";
import { plain } from "../../crypto/plain.ts";
import { SmbConnectionError, SmbError, SmbProtocolError, SmbTimeoutError } from "../errors.ts";

/** How long the last words may take to leave after `close`. */
const LINGER_MS = 1_000;

export interface TransportOptions {
  readonly host: string;
  readonly port: number;
  /** Limit of name resolution and TCP handshake together, ms. */
  readonly connectMs: number;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
}

export interface TransportListener {
  /** Bytes arrived that completed `frames` frames; `partial` when they end inside another. */
  onBytes(partial: boolean, frames: number): void;
  /** One message, without the length in front. What it throws ends the transport. */
  onFrame(message: Uint8Array): void;
  /** Once, whoever ended it. `error` is absent when `close` did. */
  onClose(error: Error | undefined): void;
}

/** Direct TCP (MS-SMB2 2.1): a socket that speaks frames. */
export class Transport {
  readonly #socket: Socket;
  readonly #splitter: FrameSplitter;
  readonly #clock: Clock;
  #listener: TransportListener | undefined;
  #corked = false;
  #closed = false;

  private constructor(socket: Socket, splitter: FrameSplitter, clock: Clock) {
    this.#socket = socket;
    this.#splitter = splitter;
    this.#clock = clock;
  }

  /** @throws SmbConnectionError, SmbTimeoutError, AbortedError */
  static async connect(options: TransportOptions): Promise<Transport> {
    const { host, port, connectMs, clock, signal } = options;
    throwIfAborted(signal);
    const socket = connect({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 });
    const opened = new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    try {
      await waitFor(opened, { signal, deadlineMs: connectMs, clock, what: `connect to ${host}:${port}` });
    } catch (error) {
      socket.on("error", () => undefined);
      socket.destroy();
      if (error instanceof AbortedError) throw error;
      if (error instanceof DeadlineError) throw new SmbTimeoutError(`connect to ${host}:${port}`, connectMs);
      throw new SmbConnectionError(`cannot connect to ${host}:${port}`, error);
    }
    socket.removeAllListeners("error");
    return new Transport(socket, new FrameSplitter(), clock);
  }

  /** Begins to deliver. Called once, in the same turn as `connect` came back. */
  start(listener: TransportListener): void {
    this.#listener = listener;
    this.#socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    this.#socket.on("end", () => this.#finish(new SmbConnectionError("the server closed the connection")));
    this.#socket.on("error", (error) => this.#finish(new SmbConnectionError("the connection broke", error)));
    this.#socket.on("close", () => this.#finish(new SmbConnectionError("the connection closed")));
  }

  /** Frames longer than this are refused. Small until the peer has proven who it is. */
  set maxFrameBytes(bytes: number) {
    this.#splitter.maxLength = bytes;
  }

  /** Queues one message; those of one turn of the event loop leave together. */
  send(message: Uint8Array): void {
    if (this.#closed) return;
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      setImmediate(() => {
        this.#corked = false;
        this.#socket.uncork();
      });
    }
    this.#socket.write(frame(message));
  }

  /** Sends what is queued, then ends. */
  close(): void {
    if (this.#closed) return;
    // A peer that has stopped reading would keep the socket for ever.
    const giveUp = this.#clock.after(LINGER_MS, () => this.#socket.destroy(), { unref: true });
    this.#socket.once("close", giveUp);
    this.#socket.end(() => this.#socket.destroy());
    this.#finish(undefined, false);
  }

  /** Ends now. */
  destroy(error: Error | undefined): void {
    this.#finish(error);
  }

  #receive(chunk: Buffer): void {
    if (this.#closed) return;
    stages.publish("received");
    try {
      let frames = 0;
      for (const message of this.#splitter.push(plain(chunk))) {
        frames++;
        this.#listener?.onFrame(message);
        if (this.#closed) return;
      }
      this.#listener?.onBytes(this.#splitter.buffered > 0, frames);
    } catch (error) {
      this.#finish(
        error instanceof SmbError ? error : new SmbProtocolError("the server broke the protocol", error),
      );
    }
  }

  #finish(error: Error | undefined, destroy = true): void {
    if (destroy) this.#socket.destroy();
    if (this.#closed) return;
    this.#closed = true;
    this.#listener?.onClose(error);
  }
}
