import { randomBytes } from "node:crypto";
import { type Clock, systemClock } from "../base/clock.ts";
import type { CipherId } from "../crypto/sealing.ts";
import type { SigningAlgorithm } from "../crypto/signing.ts";

/** DialectRevision (MS-SMB2 2.2.3), oldest first. */
export const DIALECTS: readonly [0x0202, 0x0210, 0x0300, 0x0302, 0x0311] = [
  0x0202, 0x0210, 0x0300, 0x0302, 0x0311,
];
export type Dialect = (typeof DIALECTS)[number];

/** `2.0.2`, `3.1.1`: as people write them. */
export function dialectName(dialect: Dialect): string {
  return dialect === 0x0311 ? "3.1.1" : { 514: "2.0.2", 528: "2.1", 768: "3.0", 770: "3.0.2" }[dialect];
}

/**
 * - `required`: an answer without a valid signature (or encryption) is never believed.
 * - `if-offered`: the same wherever the server offers signing, which all current ones do; one that
 *   offers none is spoken to in the clear.
 */
export type SigningPolicy = "required" | "if-offered";

/**
 * - `off`: never; a server or share that demands it is refused.
 * - `auto`: when server or share demand it.
 * - `required`: always; a server that cannot is refused.
 */
export type EncryptionPolicy = "off" | "auto" | "required";

/**
 * - `auto`: several requests in one frame, until the server is seen to answer those with signatures that are wrong.
 * - `off`: one request a frame, always.
 */
export type CompoundPolicy = "auto" | "off";

/**
 * Whether a server is sent compounds. One for all connections of a pool: what one of them finds out holds for the next.
 * Some servers sign each part of their answer before they pad it and link it to the next (Impacket on 2.0.2, FUSE-T's
 * go-smb2 on 3.1.1); single answers they sign as they should.
 */
export class Compounding {
  readonly #policy: CompoundPolicy;
  #broken = false;

  constructor(policy: CompoundPolicy = "auto") {
    this.#policy = policy;
  }

  get allowed(): boolean {
    return this.#policy === "auto" && !this.#broken;
  }

  /** An answer to one cannot be believed. */
  broke(): void {
    this.#broken = true;
  }
}

/** All in ms. */
export interface Timeouts {
  /** Name resolution and TCP handshake. Default 10,000. */
  readonly connectMs: number;
  /** Silence after a request or its interim response. Default 30,000. CHANGE_NOTIFY has no such limit. */
  readonly requestMs: number;
  /** Silence on the wire after which we send ECHO. Default 10,000. */
  readonly echoMs: number;
  /** Silence on the wire after which the connection is dead. Default 30,000. */
  readonly deadMs: number;
  /** How long an orderly farewell may take. Default 2,000. */
  readonly closeMs: number;
  /** How long a cancelled CHANGE_NOTIFY may stay unanswered. Default 5,000. */
  readonly cancelMs: number;
}

export interface ConnectionOptions {
  /** Label of all facts of this connection. */
  readonly label: string;
  readonly host: string;
  readonly port: number;
  /** A DFS referral named this host: it is not the one that was configured. */
  readonly referred?: boolean;
  /** What to offer. */
  readonly dialects: readonly Dialect[];
  readonly signing: SigningPolicy;
  readonly encryption: EncryptionPolicy;
  /** What to offer on 3.1.1, most wanted first. Empty: no SIGNING_CAPABILITIES context, so AES-CMAC. */
  readonly signingAlgorithms: readonly SigningAlgorithm[];
  /** What to offer on 3.1.1, most wanted first. */
  readonly ciphers: readonly CipherId[];
  /** Default: `auto`, learnt anew for each connection. */
  readonly compounding?: Compounding;
  /** Credits to hold. */
  readonly creditTarget: number;
  readonly timeouts: Timeouts;
  readonly clock: Clock;
  /** Source of ClientGuid and salt. */
  readonly random: (bytes: number) => Uint8Array;
}

export const DEFAULT_TIMEOUTS: Timeouts = {
  connectMs: 10_000,
  requestMs: 30_000,
  echoMs: 10_000,
  deadMs: 30_000,
  closeMs: 2_000,
  cancelMs: 5_000,
};

export const DEFAULT_CONNECTION_OPTIONS: Omit<ConnectionOptions, "host" | "label"> = {
  port: 445,
  dialects: DIALECTS,
  signing: "required",
  encryption: "auto",
  signingAlgorithms: ["aes-gmac", "aes-cmac", "hmac-sha256"],
  ciphers: ["aes-128-gcm", "aes-256-gcm", "aes-128-ccm", "aes-256-ccm"],
  creditTarget: 512,
  timeouts: DEFAULT_TIMEOUTS,
  clock: systemClock,
  random: (bytes) => randomBytes(bytes),
};
