import type { WebSocket } from "ws";
import type { PeerSocket } from "./peer.ts";

/** A `ws` socket as a peer wants it: sending to one that is going away is not an error. */
export function peerSocket(socket: WebSocket): PeerSocket {
  const ignore = (): void => undefined;
  return {
    send: (text) => socket.send(text, ignore),
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
