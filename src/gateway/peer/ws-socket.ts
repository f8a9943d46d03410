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

/**
 * A `ws` socket as a peer wants it: sending to one that is going away is not an error. Text bypasses the library's sender,
 * which would build a header and make two writes for each socket; without compression it holds nothing back that this could
 * overtake, and writes each of its own frames in one turn.
 */
export function peerSocket(socket: WebSocket, stream: Duplex): PeerSocket {
  const ignore = (): void => undefined;
  /** Reasons not to read: a token that is being checked, frames that wait to be served. */
  let paused = 0;
  return {
    send: (text) => {
      stages.publish("framed");
      if (socket.readyState === socket.OPEN) stream.write(frameOf(text), ignore);
    },
    get bufferedAmount() {
      return socket.bufferedAmount;
    },
    ping: () => {
      if (socket.readyState === socket.OPEN) socket.ping(undefined, undefined, ignore);
    },
    pause: () => {
      if (paused++ === 0) socket.pause();
    },
    resume: () => {
      if (--paused === 0) socket.resume();
    },
    close: (code, reason) => socket.close(code, reason),
    terminate: () => socket.terminate(),
  };
}
