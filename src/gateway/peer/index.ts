/** The face of `peer`: one conversation with one browser. */

export { type Caller, callerOf } from "./caller.ts";
export { Intake } from "./intake.ts";
export { Peer, type PeerHost, type PeerSocket } from "./peer.ts";
export { Peers, type Seat } from "./peers.ts";
export { Pressure } from "./pressure.ts";
export { WsSocket } from "./ws-socket.ts";
