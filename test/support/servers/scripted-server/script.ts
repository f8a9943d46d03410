import type { Header } from "../../../../src/codec/header.ts";
import type { CipherId } from "../../../../src/crypto/sealing.ts";
import type { SigningAlgorithm } from "../../../../src/crypto/signing.ts";
import type { Peer } from "./peer.ts";

/** A request as it reached the server. */
export interface Incoming {
  readonly header: Header;
  readonly message: Uint8Array;
  readonly sealed: boolean;
}

export interface Reply {
  readonly status?: number;
  readonly body?: Uint8Array;
  readonly treeId?: number;
  readonly sessionId?: bigint;
  /** Sends it as an asynchronous response. */
  readonly asyncId?: bigint;
  /** Default: what the script's `credits` grants. */
  readonly credits?: number;
  readonly command?: number;
  readonly messageId?: bigint;
  /** Default: whenever the session signs. `bad` flips a bit of the signature; `zero` leaves the flag out. */
  readonly signature?: "good" | "bad" | "zero";
  /** Default: as the request came. */
  readonly sealed?: boolean;
}

/** What makes one server differ from a well-behaved one. All of it optional. */
export interface Script {
  readonly dialect?: number;
  readonly signingAlgorithm?: SigningAlgorithm;
  readonly cipher?: CipherId;
  /** Signs the parts of a compound answer before it pads them and links them, as Impacket and go-smb2 do. */
  readonly signsTooEarly?: boolean;
  readonly securityMode?: number;
  readonly capabilities?: number;
  readonly maxTransactSize?: number;
  readonly password?: string;
  /** SessionFlags of the last SESSION_SETUP response. */
  readonly sessionFlags?: number;
  /** Signature of the last SESSION_SETUP response. */
  readonly loginSignature?: "good" | "bad" | "zero";
  readonly shareFlags?: number;
  readonly shareType?: number;
  /** Credits granted for a request. Default: all that is asked for. */
  readonly credits?: (asked: number, header: Header) => number;
  /** CHANGE_NOTIFY requests that may pend on one connection. */
  readonly asyncSlots?: number;
  /** Directories there are, and their entries. Default: the root and `dir`, both empty. */
  readonly directories?: Readonly<Record<string, readonly string[]>>;
  /** Looks at a request first: replies of its own, `silence`, or `undefined` for the usual. */
  readonly on?: (request: Incoming, peer: Peer) => Reply | readonly Reply[] | "silence" | undefined;
  /** Cuts what is written to the socket. Default: one piece. */
  readonly chunks?: (bytes: Uint8Array) => readonly Uint8Array[];
}
