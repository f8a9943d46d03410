import type { WebSocket } from "ws";
import type { PeerSocket } from "./peer.ts";

/** The same text goes to thousands of sockets in a row: its bytes are made once. */
let last: { readonly text: string; readonly bytes: Buffer } = { text: "", bytes: Buffer.alloc(0) };

function bytesOf(text: string): Buffer {
  if (last.text !== text) last = { text, bytes: Buffer.from(text) };
  return last.bytes;
}

/** A `ws` socket as a peer wants it: sending to one that is going away is not an error. */
export function peerSocket(socket: WebSocket): PeerSocket {
  const ignore = (): void => undefined;
  return {
    send: (text) => socket.send(bytesOf(text), { binary: false }, ignore),
    get bufferedAmount() {
      return socket.bufferedAmount;
    },
    ping: () => {
      if (socket.readyState === socket.OPEN) socket.ping(undefined, undefined, ignore);
    },
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    close: (code, reason) => socket.close(code, reason),
    terminate: () => socket.terminate(),
  };
}
