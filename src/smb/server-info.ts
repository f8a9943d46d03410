import type { CipherId } from "../crypto/sealing.ts";
import type { SigningAlgorithm } from "../crypto/signing.ts";
import type { DfsLocation } from "./dfs-location.ts";
import type { Dialect } from "./options.ts";

/**
 * What a server most likely is. Only `samba` and `windows` are told apart, since they decide how to watch:
 * Windows reports everything below a recursive watch and has few slots, Samba the reverse.
 */
export type ServerKind = "windows" | "samba" | "unknown";

/** A time (FILETIME) and the monotonic ms of ours when it was told. */
export interface ServerClock {
  readonly time: bigint;
  readonly at: number;
}

/** What was learnt of a server and a share while connecting. */
export interface ServerInfo {
  readonly dialect: Dialect;
  readonly signing: { readonly active: boolean; readonly algorithm: SigningAlgorithm };
  readonly encryption: { readonly active: boolean; readonly cipher: CipherId | undefined };
  /** 16 bytes, hexadecimal. */
  readonly serverGuid: string;
  /** SMB2_GLOBAL_CAP_* of the NEGOTIATE response. */
  readonly capabilities: number;
  /** Bytes. */
  readonly maxTransactSize: number;
  /** SMB2_SHAREFLAG_*. */
  readonly shareFlags: number;
  /** SMB2_SHARE_CAP_*. */
  readonly shareCapabilities: number;
  readonly kind: ServerKind;
  /** `major.minor.build` as the login mechanism tells it, where it does. */
  readonly version: string | undefined;
  /** What its clock said when it was met. */
  readonly clock?: ServerClock | undefined;
  /** Where the share is, when a DFS referral led there from the configured server. */
  readonly location?: DfsLocation | undefined;
  /** How we logged in. */
  readonly mechanism?: "ntlm" | "kerberos" | undefined;
}

/** As the server's NTLM CHALLENGE_MESSAGE tells it (MS-NLMP 2.2.2.10). */
export interface NtlmVersion {
  readonly major: number;
  readonly minor: number;
  readonly build: number;
}

/**
 * Samba has said 6.1 build 0 for years, and so do others that learnt from it (DittoFS); its ServerGuid is its NetBIOS
 * name and zeros. Every Windows since Vista has a build number, and what says 255.255 for want of one (Impacket)
 * is no Windows. Without a version (Kerberos) the ServerGuid decides; else the start time, which
 * Windows before Server 2016 tells and Samba never does.
 */
export function guessKind(
  version: NtlmVersion | undefined,
  server: { readonly serverGuid: Uint8Array; readonly serverStartTime: bigint },
): ServerKind {
  const named = /^[\x21-\x7e]{1,15}\0+$/.test(Buffer.from(server.serverGuid).toString("latin1"));
  if (version !== undefined) {
    if (version.build > 0) return version.major < 0xff ? "windows" : "unknown";
    return version.major === 6 && version.minor === 1 && named ? "samba" : "unknown";
  }
  if (named) return "samba";
  return server.serverStartTime === 0n ? "unknown" : "windows";
}
