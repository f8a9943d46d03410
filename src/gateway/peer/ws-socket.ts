import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import { stages } from "../../base/channels.ts";
import type { PeerSocket } from "./peer.ts";

const FINAL_TEXT = 0x81;

/** One unmasked text frame (RFC 6455 section 5.2). */
export function textFrame(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const head = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const frame = Buffer.allocUnsafe(head + length);
  frame[0] = FINAL_TEXT;
  frame[1] = head === 2 ? length : head === 4 ? 126 : 127;
  if (head === 4) frame.writeUInt16BE(length, 2);
  else if (head === 10) frame.writeBigUInt64BE(BigInt(length), 2);
  frame.write(text, head);
  return frame;
}

/** The same texts go to thousands of sockets in a row: their frames are made once. As many as a socket takes at once. */
const MOST_FRAMES = 16;
const LONGEST_KEPT = 131_072;
const frames = new Map<string, Buffer>();

function frameOf(text: string): Buffer {
  if (text.length > LONGEST_KEPT) return textFrame(text);
  const known = frames.get(text);
  if (known !== undefined) return known;
  const frame = textFrame(text);
  for (const oldest of frames.keys()) {
    if (frames.size < MOST_FRAMES) break;
    frames.delete(oldest);
  }
  frames.set(text, frame);
  return frame;
}

const ignore = (): void => undefined;

/**
 * A `ws` socket as a peer wants it: sending to one that is going away is not an error. Text bypasses the library's sender,
 * which would build a header and make two writes for each socket; without compression it holds nothing back that this could
 * overtake, and writes each of its own frames in one turn.
 */
export class WsSocket implements PeerSocket {
  readonly #socket: WebSocket;
  readonly #stream: Duplex;
  /** Reasons not to read: a token that is being checked, frames that wait to be served. */
  #paused = 0;

  constructor(socket: WebSocket, stream: Duplex) {
    this.#socket = socket;
    this.#stream = stream;
  }

  get bufferedAmount(): number {
    return this.#socket.bufferedAmount;
  }

  send(text: string): void {
    stages.publish("framed");
    if (this.#isOpen) this.#stream.write(frameOf(text), ignore);
  }

  ping(): void {
    if (this.#isOpen) this.#socket.ping(undefined, undefined, ignore);
  }

  pause(): void {
    if (this.#paused++ === 0) this.#socket.pause();
  }

  resume(): void {
    if (--this.#paused === 0) this.#socket.resume();
  }

  close(code: number, reason: string): void {
    this.#socket.close(code, reason);
  }

  terminate(): void {
    this.#socket.terminate();
  }

  get #isOpen(): boolean {
    return this.#socket.readyState === this.#socket.OPEN;
  }
}
